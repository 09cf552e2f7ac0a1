import * as fc from 'fast-check';
import type { Redis } from 'ioredis';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../support/seed.js';
import type { ManagedServer } from '../../../src/devservices/index.js';
import { applyDelta, defineApplyDelta } from '../../../src/projections/apply-delta.js';
import type { Fact } from '../../../src/projections/facts.js';
import { SeriesRegistry } from '../../../src/projections/series-registry.js';
import { foldDelta } from '../../../src/projections/summary-delta.js';
import type { ServiceCounts, WindowCounts } from '../../../src/queries/aggregates.js';
import { RedisSource } from '../../../src/queries/redis-source.js';
import { SummaryLag } from '../../../src/queries/summary-lag.js';
import { SUMMARY_WINDOWS, windowBounds } from '../../../src/queries/windows.js';
import { CURRENT_KEY, generationPrefix } from '../../../src/store/summary-schema.js';
import { testPool } from '../../support/database.js';
import { BUSINESS } from '../../support/events.js';
import { testRedis } from '../../support/projection.js';
import { startTestRedis, waitFor } from '../../support/servers.js';

const KEPT_S = 90 * 86_400;
/** Later than the clock, so that no bucket expires; a little before midnight, so that days change under way. */
const START_MS = (Math.floor(Date.now() / 86_400_000) + 1) * 86_400_000 - 90_000;

let server: ManagedServer | undefined;
let redis: Redis | undefined;
const away = testPool('postgresql://127.0.0.1:1/none', 1);
const test = suite('sums of buckets that are kept');
test.before(async () => {
  server = await startTestRedis();
  const opened = testRedis(server);
  await waitFor('Redis', () => (opened.status === 'ready' ? true : undefined));
  defineApplyDelta(opened);
  redis = opened;
});
test.after(async () => {
  redis?.disconnect();
  await away.end();
  await server?.stop();
});

function connection(): Redis {
  if (redis === undefined) throw new Error('not opened');
  return redis;
}

const newSource = (): RedisSource => new RedisSource(connection(), new SummaryLag(away, Date.now));

/** Where a delta goes to, and what is asked in between. */
class Stage {
  #sequence = 0;
  #generation = '';
  #generations = 0;
  readonly #registry = new SeriesRegistry([]);
  nowMs = START_MS;

  /** A new generation with all of this in it. */
  async build(facts: readonly Fact[]): Promise<void> {
    await connection().flushall();
    this.#generations += 1;
    this.#generation = `g${this.#generations}`;
    await connection().hset(`${generationPrefix(this.#generation)}meta`, 'sequence', String(this.#sequence));
    await this.apply(facts);
    await connection().set(CURRENT_KEY, this.#generation);
  }

  async apply(facts: readonly Fact[]): Promise<void> {
    const [from, to] = [String(this.#sequence), String(this.#sequence + 1)];
    const placed = facts.map((fact) => ({ fact, sequence: this.#sequence }));
    const delta = JSON.stringify(foldDelta(placed, this.#registry, BUSINESS));
    assert.is(await applyDelta(connection(), this.#generation, { from, to, delta }, { keptSeconds: KEPT_S }), to);
    this.#sequence += 1;
  }

  /** As if the hashes of one kind had expired. */
  async lose(kind: string): Promise<void> {
    const keys = await connection().keys(`${generationPrefix(this.#generation)}${kind}:*`);
    if (keys.length > 0) await connection().unlink(...keys);
    await this.apply([]);
  }
}

interface Answers {
  readonly windows: readonly WindowCounts[];
  readonly services: readonly ServiceCounts[];
}

async function ask(source: RedisSource, nowMs: number): Promise<Answers> {
  const windows = SUMMARY_WINDOWS.map((window) => source.windowCounts(windowBounds(window, nowMs).fromS, nowMs));
  const services = source.serviceCounts(windowBounds('1h', nowMs).fromS, 0, nowMs);
  return { windows: await Promise.all(windows), services: await services };
}

const DAY_MS = 86_400_000;
/** Mostly now, sometimes long ago. */
const agoMs = fc.oneof(
  { weight: 3, arbitrary: fc.nat(120_000) },
  fc.nat(3_600_000),
  fc.nat(DAY_MS),
  fc.nat(35 * DAY_MS),
);
const API = { kind: 'api', method: 'GET', route: '/', responseBytes: null } as const;
const request = fc.record({
  kind: fc.constant(API.kind),
  method: fc.constant(API.method),
  route: fc.constant(API.route),
  responseBytes: fc.constant(API.responseBytes),
  serviceName: fc.constantFrom('web', 'billing', 'max', '__proto__'),
  statusCode: fc.constantFrom(200, 404, 500),
  responseTimeUs: fc.option(fc.nat(5_000_000)),
  requestBytes: fc.option(fc.nat(2 ** 30)),
});
/** Names that could be taken for the field of a maximum. */
const feature = fc.constantFrom('reports', '\tmax:rt', 'max:rt', 'at');
const use = fc.record({
  kind: fc.constant('user' as const),
  eventType: fc.constant('feature_used'),
  feature,
  userId: fc.nat(9),
});
const facts = fc.array(fc.record({ agoMs, fact: fc.oneof(request, use) }), { maxLength: 12 });
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('delta' as const), facts }) },
  fc.record({ kind: fc.constant('generation' as const), facts }),
  fc.record({ kind: fc.constant('lost' as const), what: fc.constantFrom('m', 'h', 'd', 's') }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('time' as const), passesMs: fc.nat(100_000) }) },
);

interface Given<F> {
  readonly agoMs: number;
  readonly fact: F;
}
type Timeless<F> = F extends Fact ? Omit<F, 'timeMs'> : never;

function toFact({ agoMs: ago, fact }: Given<Timeless<Fact>>, nowMs: number): Fact {
  return { ...fact, timeMs: nowMs - ago };
}

test('a source that was asked all along answers as a fresh one does, whatever deltas, rebuilds and losses came between', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 14 }), async (steps) => {
      const stage = new Stage();
      await stage.build([]);
      const kept = newSource();
      for (const each of steps) {
        if (each.kind === 'time') stage.nowMs += each.passesMs;
        else if (each.kind === 'lost') await stage.lose(each.what);
        else {
          const given = each.facts.map((fact) => toFact(fact, stage.nowMs));
          await (each.kind === 'delta' ? stage.apply(given) : stage.build(given));
        }
        assert.equal(await ask(kept, stage.nowMs), await ask(newSource(), stage.nowMs));
      }
    }),
    { numRuns: 40 },
  );
});

test('a delta of the running minute costs the reader the buckets that it changed, not the window', async () => {
  const stage = new Stage();
  const api = (ago: number): Fact =>
    toFact(
      { agoMs: ago, fact: { ...API, serviceName: 'web', statusCode: 200, responseTimeUs: 5, requestBytes: 7 } },
      stage.nowMs,
    );
  await stage.build(Array.from({ length: 60 }, (_, index) => api(index * 3_600_000)));
  const kept = newSource();
  const read = async (): Promise<number> => {
    await stage.apply([api(0)]);
    const before = await hashesRead();
    await kept.windowCounts(windowBounds('7d', stage.nowMs).fromS, stage.nowMs);
    return (await hashesRead()) - before;
  };
  const first = await read();
  const second = await read();
  assert.ok(first >= 7, `${first} hashes were read`);
  assert.is(second, 1);
});

/** How often a whole hash was read since the server started. */
async function hashesRead(): Promise<number> {
  const info = await connection().info('commandstats');
  return Number(/^cmdstat_hgetall:calls=(\d+)/m.exec(info)?.[1] ?? 0);
}

test.run();
