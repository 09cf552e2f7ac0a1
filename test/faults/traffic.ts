import { setTimeout as sleep } from 'node:timers/promises';
import type { JetStreamClient } from 'nats';
import type { EventTable } from '../../src/store/partitions.js';
import type { SeededRandom } from '../support/random.js';
import type { TestClient } from '../support/service.js';
import type { Ledger } from './ledger.js';

/** An event as the auditor makes it. */
export interface SentEvent {
  readonly id: string;
  readonly table: EventTable;
  readonly subject: string;
  /** As REST clients send it; on NATS `kind` is an unknown field and dropped. */
  readonly body: Record<string, unknown> & { readonly id: string };
}

const SERVICES = ['web', 'billing', 'mail', 'search', 'auth'] as const;
const USER_EVENTS = [
  'user_registered',
  'user_login',
  'user_login',
  'user_logout',
  'feature_used',
  'appointment_created',
  'notification_sent',
  'device_registered',
  'patient_viewed',
] as const;

/** Makes random events of all kinds within the last half hour. */
export function makeEvent(random: SeededRandom, id: string, nowMs: number): SentEvent {
  const common = { id, occurred_at: new Date(nowMs - random.integer(0, 1_800_000)).toISOString() };
  const dice = random.next();
  const service = random.pick(SERVICES);
  if (dice < 0.5) return apiEvent(random, id, service, common);
  if (dice < 0.8) return userEvent(random, id, common);
  const metric = random.pick(['cpu_usage', 'memory_usage', 'response_time']);
  const body = {
    ...common,
    kind: 'system',
    service_name: service,
    metric_name: metric,
    value: random.integer(0, 1e9) / 1e3,
  };
  return { id, table: 'system_metrics', subject: `metrics.events.system.${service}`, body };
}

/** Makes events with ids of its own: `<prefix>-0`, `<prefix>-1`, … */
export class EventMaker {
  #made = 0;

  constructor(
    private readonly random: SeededRandom,
    private readonly prefix: string,
  ) {}

  get made(): number {
    return this.#made;
  }

  make(count: number): SentEvent[] {
    return Array.from({ length: count }, () => {
      this.#made += 1;
      return makeEvent(this.random, `${this.prefix}-${this.#made}`, Date.now());
    });
  }
}

type Common = { readonly id: string; readonly occurred_at: string };

function apiEvent(random: SeededRandom, id: string, service: string, common: Common): SentEvent {
  const body = {
    ...common,
    kind: 'api',
    service_name: service,
    endpoint: `/${random.pick(['users', 'orders', 'items'])}/${random.integer(1, 1000)}?page=${random.integer(1, 9)}`,
    method: random.pick(['GET', 'GET', 'POST', 'PUT']),
    status_code: random.pick([200, 200, 200, 201, 304, 404, 500, 503]),
    ...(random.next() < 0.95 ? { response_time_ms: random.integer(1, 4_000_000) / 1000 } : {}),
    request_bytes: random.integer(0, 10_000),
    response_bytes: random.integer(0, 1_000_000),
  };
  return { id, table: 'api_metrics', subject: `metrics.events.api.${service}`, body };
}

function userEvent(random: SeededRandom, id: string, common: Common): SentEvent {
  const eventType = random.pick(USER_EVENTS);
  const body = {
    ...common,
    event_type: eventType,
    ...(random.next() < 0.95 ? { user_id: random.integer(1, 5_000) } : {}),
    metadata: eventType === 'feature_used' ? { feature: random.pick(['reports', 'export', 'search']) } : { n: id },
  };
  return { id, table: 'user_events', subject: `metrics.events.user.${eventType}`, body };
}

const RETRY_MS = 50;
const MAX_ATTEMPTS = 1_200;
/** A publish that the client dropped at a reconnect is never answered. */
const PUBACK_TIMEOUT_MS = 2_000;

/** Publishes straight to NATS, each event until its PubAck has come. */
export async function publishToNats(
  jetstream: JetStreamClient,
  ledger: Ledger,
  events: readonly SentEvent[],
): Promise<void> {
  await Promise.all(
    events.map(async ({ id, table, subject, body }) => {
      ledger.enter(id, table);
      const payload = JSON.stringify(body);
      await untilDone(`the PubAck of ${id}`, async () => {
        await jetstream.publish(subject, payload, { msgID: id, timeout: PUBACK_TIMEOUT_MS });
        return true;
      });
      ledger.acknowledge(id);
    }),
  );
}

/** Posts a batch until a 202 has come; the ids make that safe. */
export async function postBatch(client: TestClient, ledger: Ledger, events: readonly SentEvent[]): Promise<void> {
  if (events.length === 0) return;
  for (const { id, table } of events) ledger.enter(id, table);
  const body = JSON.stringify({ events: events.map((event) => event.body) });
  await untilDone('a 202', async () => {
    const answer = await client.post('/metrics/events/batch', body);
    if (answer.status === 503) return false;
    if (answer.status !== 202) throw new UnexpectedAnswer(`${answer.status} ${answer.text}`);
    const { rejected } = answer.json() as { rejected: unknown[] };
    if (rejected.length > 0) throw new UnexpectedAnswer(JSON.stringify(rejected));
    return true;
  });
  for (const { id } of events) ledger.acknowledge(id);
}

/** What events are sent through. */
export interface Ways {
  readonly jetstream: JetStreamClient;
  readonly client: TestClient;
  readonly ledger: Ledger;
}

/** Sends events in chunks, half over NATS and half over HTTP, one chunk of each at a time, until all are acknowledged. */
export async function sendBothWays(
  { jetstream, client, ledger }: Ways,
  events: readonly SentEvent[],
  chunkSize = 50,
): Promise<void> {
  for (let start = 0; start < events.length; start += 2 * chunkSize) {
    const middle = start + chunkSize;
    await Promise.all([
      publishToNats(jetstream, ledger, events.slice(start, middle)),
      postBatch(client, ledger, events.slice(middle, middle + chunkSize)),
    ]);
  }
}

/** An answer that no fault excuses. */
class UnexpectedAnswer extends Error {}

/** Tries again whatever a killed server or service makes fail, within a bound. */
async function untilDone(what: string, attempt: () => Promise<boolean>): Promise<void> {
  for (let count = 1; count <= MAX_ATTEMPTS; count += 1) {
    try {
      if (await attempt()) return;
    } catch (error) {
      if (error instanceof UnexpectedAnswer) throw error;
    }
    await sleep(RETRY_MS);
  }
  throw new Error(`${what} did not come in ${MAX_ATTEMPTS} attempts`);
}
