import { encodeBody } from '../events/codec.js';
import { TOKEN_PATTERN } from '../events/kinds.js';
import { subjectOf } from '../events/subjects.js';
import { formatTime } from '../events/time.js';
import type { Lease } from '../store/lease.js';
import { NATS_METRICS } from '../store/summary-schema.js';
import type { Appender, AppendRequest } from '../stream/append.js';
import type { NatsConnection } from '../stream/connection.js';
import { askServiceStats, type InstanceStats } from '../stream/service-stats.js';
import type { Logger } from '../telemetry/logger.js';
import { keepLeading, pause } from './keep-leading.js';

/** What all instances of a service say together. */
export interface NatsService {
  readonly name: string;
  readonly instances: number;
  readonly requests: number;
  readonly errors: number;
  /** Milliseconds a request, over all instances and endpoints; null where there was none. */
  readonly averageProcessingTimeMs: number | null;
}

/** Services that are taken from one round of answers; the first by name. */
export const MAX_NATS_SERVICES = 200;
const SERVICE_NAME = new RegExp(TOKEN_PATTERN);
const MS_PER_NS = 1e-6;

/** Adds up instances by service. Names that are none of a service in our log are left out, and told. */
export function foldInstances(instances: readonly InstanceStats[]): {
  readonly services: readonly NatsService[];
  readonly leftOut: readonly string[];
} {
  const groups = [...Map.groupBy(instances, ({ name }) => name)];
  const sum = (of: readonly InstanceStats[], field: 'requests' | 'errors' | 'processingTimeNs'): number =>
    of.reduce((total, each) => total + each[field], 0);
  const services = groups
    .map(([name, of]) => {
      const requests = sum(of, 'requests');
      return {
        name,
        instances: of.length,
        requests,
        errors: sum(of, 'errors'),
        averageProcessingTimeMs: requests === 0 ? null : (sum(of, 'processingTimeNs') / requests) * MS_PER_NS,
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const taken = services.filter(isTaken).slice(0, MAX_NATS_SERVICES);
  const names = new Set(taken.map(({ name }) => name));
  return { services: taken, leftOut: services.map(({ name }) => name).filter((name) => !names.has(name)) };
}

/** Sums may be larger than a measurement can be. */
function isTaken({ name, requests, errors, averageProcessingTimeMs }: NatsService): boolean {
  const values = [requests, errors, averageProcessingTimeMs ?? 0];
  return SERVICE_NAME.test(name) && values.every((value) => value <= Number.MAX_SAFE_INTEGER);
}

/**
 * The measurements of one round, as events of the services.
 *
 * @param round names it: the same round gives the same ids, so that two who ask in it append it once
 */
export function toRequests(services: readonly NatsService[], round: number, askedAtMs: number): AppendRequest[] {
  return services.flatMap((service) =>
    [
      [NATS_METRICS.instances, service.instances],
      [NATS_METRICS.requests, service.requests],
      [NATS_METRICS.errors, service.errors],
      [NATS_METRICS.averageProcessingTime, service.averageProcessingTimeMs],
    ].flatMap(([metric, value], index): AppendRequest[] => {
      if (typeof metric !== 'string' || typeof value !== 'number') return [];
      const body = { service_name: service.name, metric_name: metric, value, tags: { source: 'nats' } };
      const event = { kind: 'system' as const, body };
      const id = `nats-${round}-${index}-${service.name}`;
      return [{ id, subject: subjectOf(event), payload: encodeBody(event, formatTime(askedAtMs)) }];
    }),
  );
}

export interface NatsServicesDependencies {
  readonly connection: NatsConnection;
  readonly appender: Appender;
  readonly databaseUrl: string;
  readonly aggregationIntervalSeconds: number;
  readonly logger: Logger;
  readonly now: () => number;
}

const MIN_INTERVAL_SECONDS = 10;
const MAX_INTERVAL_SECONDS = 60;
const RETRY_MS = 2_000;
const MAX_NAMES_TOLD = 100;

/**
 * Asks NATS services for their numbers, one process for all, and appends what they say to the log: so every replica
 * answers the same, and a replay does.
 *
 * States: standby (another process has the lease) → asking, every fifth of an aggregation interval → standby, where the
 * lease is lost or a server is away.
 */
export class NatsServicesWorker {
  readonly #stopping = new AbortController();
  readonly #intervalMs: number;
  readonly #told = new Set<string>();
  #running: Promise<void> | undefined;
  #failing = false;

  constructor(private readonly dependencies: NatsServicesDependencies) {
    const fifth = dependencies.aggregationIntervalSeconds / 5;
    this.#intervalMs = Math.min(MAX_INTERVAL_SECONDS, Math.max(MIN_INTERVAL_SECONDS, fifth)) * 1_000;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    await keepLeading({
      databaseUrl: this.dependencies.databaseUrl,
      name: 'natsServices',
      signal: this.#stopping.signal,
      work: (lease) => this.#lead(lease),
      standbyMs: RETRY_MS,
      onFailure: (reason) => {
        if (!this.#failing) this.dependencies.logger.warn({ reason }, 'NATS services are not asked');
        this.#failing = true;
      },
      retryMs: RETRY_MS,
    });
  }

  async #lead(lease: Lease): Promise<void> {
    const signal = AbortSignal.any([this.#stopping.signal, lease.signal]);
    while (!signal.aborted) {
      await this.#ask(signal);
      this.#failing = false;
      await pause(this.#intervalMs, signal);
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const { connection, appender, logger, now } = this.dependencies;
    const askedAtMs = now();
    const { instances, refused } = await askServiceStats(connection, signal);
    if (signal.aborted) return;
    const { services, leftOut } = foldInstances(instances);
    const untold = leftOut.filter((name) => !this.#told.has(name)).slice(0, MAX_NAMES_TOLD - this.#told.size);
    for (const name of untold) this.#told.add(name);
    if (untold.length > 0) {
      logger.warn({ names: untold.map((name) => name.slice(0, 100)) }, 'NATS services are left out: names or numbers');
    }
    if (refused > 0) logger.debug({ refused }, 'Answers of NATS services are not to be read');
    const round = Math.floor(askedAtMs / this.#intervalMs);
    // What could not be appended is told again in the next round, with newer numbers.
    const result = await appender.appendAll(toRequests(services, round, askedAtMs));
    if (result.kind === 'unavailable') logger.debug({ reason: result.reason }, 'A round of NATS services is lost');
  }
}
