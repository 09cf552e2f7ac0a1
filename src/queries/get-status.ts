import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import {
  type Checkpoint,
  readCheckpoints,
  SESSIONS_PROJECTION,
  SUMMARIES_PROJECTION,
  TABLES_PROJECTION,
} from '../store/checkpoints.js';
import { readPosition } from '../store/summary-position.js';
import { PositionRates } from './position-rates.js';
import { QueryUnavailable, within } from './unavailable.js';

/** One stream as JetStream describes it. */
export interface StreamStatus {
  readonly name: string;
  readonly messages: number;
  readonly bytes: number;
  readonly first_sequence: number;
  readonly last_sequence: number;
  /** When the oldest message was stored; null where the stream is empty. */
  readonly oldest_at: string | null;
}

export interface ComponentStatus {
  readonly status: 'up' | 'down';
  /** How long the answer took; null where none came. */
  readonly latency_ms: number | null;
}

export type ProjectionName = 'tables' | 'summaries' | 'sessions';

/** A fold of the log and how far it is. What is not known, because a server is away, is null. */
export interface ProjectionStatus {
  readonly name: ProjectionName;
  /**
   * `halted` and `ahead_of_log` (the log is another one, or lost its end) need a person; `unknown` where another process
   * runs it or its server is away.
   */
  readonly state: string;
  readonly reason: string | null;
  readonly sequence: number | null;
  readonly lag_events: number | null;
  /** Age of the oldest event that is not folded in yet. */
  readonly lag_seconds: number | null;
  /** How fast it moves: over the past minute, or since this process was asked before. */
  readonly events_per_second: number | null;
  readonly epoch: number | null;
  readonly holder: string | null;
}

/**
 * `down`: events cannot be taken, the tables cannot be read, or a projection needs a person. `degraded`: everything is
 * answered, but Redis is away.
 */
export interface OperationalStatus {
  readonly status: 'ok' | 'degraded' | 'down';
  readonly generated_at: string;
  readonly components: {
    readonly nats: ComponentStatus;
    readonly postgres: ComponentStatus;
    readonly redis: ComponentStatus;
  };
  readonly projections: readonly ProjectionStatus[];
  readonly streams: readonly StreamStatus[];
}

/** How is the service itself? */
export class GetStatus extends Query<OperationalStatus> {}

/** What a projection's process says of it. */
export interface ReportedState {
  readonly kind: string;
  readonly reason?: string;
}

export interface StatusDependencies {
  readonly pool: Pool;
  readonly redis: Redis;
  /** Name of the stream that is the log. */
  readonly logStream: string;
  /** The service's streams that exist. Throws where NATS is away. */
  readonly streams: () => Promise<readonly StreamStatus[]>;
  /** When the message of METRICS at a sequence was stored (ms since 1970); undefined where there is none. */
  readonly storedAtMs: (sequence: number) => Promise<number | undefined>;
  /** States of the projections that this process runs. */
  readonly reported: () => Readonly<Partial<Record<ProjectionName, ReportedState>>>;
  readonly now: () => number;
}

const CHECK_TIMEOUT_MS = 2_000;

@QueryHandler(GetStatus)
export class GetStatusHandler implements IQueryHandler<GetStatus> {
  readonly #rates = new PositionRates();

  constructor(private readonly dependencies: StatusDependencies) {}

  async execute(): Promise<OperationalStatus> {
    const { pool, redis, streams, reported, now } = this.dependencies;
    const [postgres, summaries] = await Promise.all([check(() => readOwners(pool)), check(() => readPosition(redis))]);
    // Behind them: what was projected a moment ago would otherwise look as if it were ahead of the log.
    const nats = await check(streams);
    const log = nats.value?.find(({ name }) => name === this.dependencies.logStream);
    const lastSequence = log?.last_sequence;
    const checkpoint = postgres.value?.tables;
    const sessions = postgres.value?.sessions;
    const position = summaries.value === undefined ? undefined : Number(summaries.value.position);
    const states = reported();
    // A halt is noted in the database, so that processes that do not run the projection can tell of it.
    const halted = checkpoint?.haltReason ?? null;
    const tables = states.tables ?? (halted === null ? undefined : { kind: 'halted', reason: halted });
    const projections = await Promise.all([
      this.#projection('tables', tables, checkpoint?.sequence, lastSequence, checkpoint),
      this.#projection('summaries', states.summaries, position, lastSequence, postgres.value?.summaries),
      this.#projection('sessions', states.sessions, sessions?.sequence, lastSequence, sessions),
    ]);
    return {
      status: overall(nats.up && log !== undefined, postgres.up, summaries.up, projections),
      generated_at: new Date(now()).toISOString(),
      components: { nats: component(nats), postgres: component(postgres), redis: component(summaries) },
      projections,
      streams: nats.value ?? [],
    };
  }

  async #projection(
    name: ProjectionStatus['name'],
    state: ReportedState | undefined,
    sequence: number | undefined,
    lastSequence: number | undefined,
    owner: { readonly epoch: number; readonly holder: string } | undefined,
  ): Promise<ProjectionStatus> {
    const known = sequence !== undefined && Number.isFinite(sequence) ? sequence : null;
    // The log was made anew, or lost its end: nothing will be projected until a person has looked.
    const isAhead = known !== null && lastSequence !== undefined && known > lastSequence;
    const lag = known === null || lastSequence === undefined ? null : Math.max(0, lastSequence - known);
    return {
      name,
      state: isAhead ? 'ahead_of_log' : (state?.kind ?? 'unknown'),
      // Other reasons are what servers say of themselves, and may hold addresses: they stand in the log alone.
      reason: state?.kind === 'halted' ? (state.reason ?? null) : null,
      sequence: known,
      lag_events: lag,
      lag_seconds: lag === null || known === null ? null : await this.#ageSeconds(lag, known + 1),
      events_per_second: known === null ? null : this.#rates.note(name, known, performance.now()),
      epoch: owner?.epoch ?? null,
      holder: owner?.holder ?? null,
    };
  }

  async #ageSeconds(lagEvents: number, nextSequence: number): Promise<number | null> {
    if (lagEvents === 0) return 0;
    const { value: storedAtMs } = await check(() => this.dependencies.storedAtMs(nextSequence));
    return storedAtMs === undefined ? null : Math.max(0, (this.dependencies.now() - storedAtMs) / 1000);
  }
}

/** What Postgres knows of the projections, of the summaries their leader alone; undefined before they began. */
async function readOwners(pool: Pool): Promise<Record<ProjectionName, Checkpoint | undefined>> {
  const owners = await readCheckpoints(pool, [TABLES_PROJECTION, SUMMARIES_PROJECTION, SESSIONS_PROJECTION]);
  const of = (name: string): Checkpoint | undefined => owners.get(name);
  return { tables: of(TABLES_PROJECTION), summaries: of(SUMMARIES_PROJECTION), sessions: of(SESSIONS_PROJECTION) };
}

interface Checked<T> {
  readonly up: boolean;
  readonly latencyMs: number;
  readonly value: T | undefined;
}

/** Asks a server and takes no answer within the time limit for its being away. */
async function check<T>(ask: () => Promise<T>): Promise<Checked<T>> {
  const startedMs = performance.now();
  try {
    const value = await within(CHECK_TIMEOUT_MS, ask(), () => new QueryUnavailable('No answer in time'));
    return { up: true, latencyMs: performance.now() - startedMs, value };
  } catch {
    // Why it is away stands in the log of whoever uses it; this answer is public and tells no addresses.
    return { up: false, latencyMs: performance.now() - startedMs, value: undefined };
  }
}

function component({ up, latencyMs }: Checked<unknown>): ComponentStatus {
  return { status: up ? 'up' : 'down', latency_ms: up ? Math.round(latencyMs * 1000) / 1000 : null };
}

const STUCK_STATES: readonly string[] = ['halted', 'ahead_of_log'];

function overall(
  hasLog: boolean,
  hasTables: boolean,
  hasSummaries: boolean,
  projections: readonly ProjectionStatus[],
): OperationalStatus['status'] {
  if (!hasLog || !hasTables || projections.some(({ state }) => STUCK_STATES.includes(state))) return 'down';
  return hasSummaries ? 'ok' : 'degraded';
}
