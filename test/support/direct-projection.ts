import type { Redis } from 'ioredis';
import { loadSeries } from '../../src/projections/load-series.js';
import { type Row, toRow } from '../../src/projections/rows.js';
import type { SeriesRegistry } from '../../src/projections/series-registry.js';
import { foldDelta, type SummaryDelta } from '../../src/projections/summary-delta.js';
import { writeBatch } from '../../src/projections/write-batch.js';
import { beginEpoch, type Checkpoint } from '../../src/store/checkpoints.js';
import { dayOf } from '../../src/store/partitions.js';
import { routeOf } from '../../src/store/route.js';
import { readPosition } from '../../src/store/summary-position.js';
import { CHANGED_AT_FIELD, generationPrefix } from '../../src/store/summary-schema.js';
import type { TestStore } from './database.js';
import { BUSINESS, event } from './events.js';

/** What a publisher sends, for tests that need no log between it and the tables. */
export interface Sent {
  readonly subject: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Writes events into the tables as the projector does, without a log and without a process of its own. */
export class DirectProjection {
  private constructor(
    private readonly store: TestStore,
    private readonly registry: SeriesRegistry,
    private checkpoint: Checkpoint,
  ) {}

  static async open(store: TestStore): Promise<DirectProjection> {
    const checkpoint = await beginEpoch(store.pool, 'tables', 'test', 'then');
    return new DirectProjection(store, await loadSeries(store.pool), checkpoint);
  }

  get sequence(): number {
    return this.checkpoint.sequence;
  }

  /** Writes one batch; what is there already is left out, as after a resend. */
  async write(sent: readonly Sent[]): Promise<void> {
    const first = this.checkpoint.sequence + 1;
    const rows = sent.map(({ subject, body }, index) =>
      toRow(event(subject, body, { sequence: first + index }), routeOf),
    );
    await this.store.partitions.ensure(new Set(rows.map(({ timeMs }) => dayOf(timeMs))));
    const fold = (some: readonly Row[]): SummaryDelta => foldDelta(some, this.registry, BUSINESS);
    const delta = fold(rows);
    const batch = {
      rows,
      delta,
      toSequence: first + rows.length - 1,
      lastEventId: rows.at(-1)?.eventId ?? '',
      lastStoredAtMs: 0,
      freshSeries: this.registry.takeFresh(),
    };
    const outcome = await writeBatch(this.store.pool, 'tables', this.checkpoint, batch, 'staging', fold);
    if (outcome.kind !== 'applied') throw new Error(outcome.kind);
    this.checkpoint = outcome.checkpoint;
  }
}

/**
 * Every key of the current generation, without the generation's name, with what it holds; but for the positions at which
 * hashes changed last, which depend on how events were grouped to deltas.
 */
export async function dumpSummaries(redis: Redis): Promise<Record<string, Record<string, string>>> {
  const found = await readPosition(redis);
  if (found === undefined) return {};
  const prefix = generationPrefix(found.generation);
  const dump: Record<string, Record<string, string>> = {};
  const keys = await redis.keys(`${prefix}*`);
  for (const key of keys.sort()) {
    dump[key.slice(prefix.length)] =
      (await redis.type(key)) === 'hash' ? await countsOf(redis, key) : await scores(redis, key);
  }
  return dump;
}

async function countsOf(redis: Redis, key: string): Promise<Record<string, string>> {
  const { [CHANGED_AT_FIELD]: _changedAt, ...counts } = await redis.hgetall(key);
  return counts;
}

async function scores(redis: Redis, key: string): Promise<Record<string, string>> {
  const flat = await redis.zrange(key, '0', '-1', 'WITHSCORES');
  const found: Record<string, string> = {};
  for (let index = 0; index + 1 < flat.length; index += 2) found[flat[index] ?? ''] = flat[index + 1] ?? '';
  return found;
}
