import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defineSummaryWrites, SummariesFenced, SummaryWriter } from '../../src/projections/summary-writer.js';
import { readPosition } from '../../src/store/summary-position.js';
import { CURRENT_KEY, EPOCH_KEY } from '../../src/store/summary-schema.js';
import type { Sent } from '../support/direct-projection.js';
import { waitFor } from '../support/servers.js';
import { SummaryHarness } from '../support/summaries.js';

const harness = new SummaryHarness();
const test = suite('fencing of the summaries');
test.before(() => harness.open());
test.after(() => harness.close());

const begin = (holder: string): Promise<SummaryWriter> => {
  const redis = harness.need('redis');
  defineSummaryWrites(redis);
  return SummaryWriter.begin(harness.need('store').pool, redis, holder);
};

/** Everything that Redis holds. */
async function content(): Promise<Record<string, unknown>> {
  const redis = harness.need('redis');
  const found: Record<string, unknown> = {};
  for (const key of (await redis.keys('*')).sort()) {
    const type = await redis.type(key);
    if (type === 'hash') found[key] = await redis.hgetall(key);
    else found[key] = type === 'zset' ? await redis.zrange(key, '0', '-1', 'WITHSCORES') : await redis.get(key);
  }
  return found;
}

async function refused(work: () => Promise<unknown>): Promise<void> {
  const outcome = await work().then(
    () => 'written',
    (error: unknown) => error,
  );
  assert.instance(outcome, SummariesFenced);
}

async function stepOf(): Promise<{ generation: string; from: string; to: string; delta: string }> {
  const { pool } = harness.need('store');
  const found = await readPosition(harness.need('redis'));
  const { rows } = await pool.query<{ delta: string }>('select delta::text as delta from summary_outbox limit 1');
  const from = found?.position ?? '';
  return { generation: found?.generation ?? '', from, to: String(Number(from) + 1), delta: rows[0]?.delta ?? '' };
}

test('an earlier epoch adds no delta, switches to no generation and deletes nothing', async () => {
  const login: Sent = { subject: 'metrics.events.user.user_login', body: { id: 'f-1', user_id: 1 } };
  await harness.need('projection').write([login]);
  const worker = await harness.start();
  await harness.caughtUp();
  await worker.stop();
  const early = await begin('early');
  const late = await begin('late');
  assert.is(late.epoch, early.epoch + 1);
  const before = await content();
  const { generation, ...placed } = await stepOf();
  await refused(() => early.apply(generation, placed, 1_000));
  await refused(() => early.write(['set', CURRENT_KEY, 'other'], ['unlink', EPOCH_KEY]));
  await refused(() => early.renew());
  assert.equal(await content(), before);
  assert.is(await late.apply(generation, placed, 1_000), placed.to);
});

test('an emptied Redis takes the epoch from the latest leader alone', async () => {
  const early = await begin('early');
  const late = await begin('late');
  await harness.need('redis').flushall();
  await refused(() => early.write(['set', CURRENT_KEY, 'other']));
  await refused(() => early.renew());
  await refused(() => late.write(['set', CURRENT_KEY, 'other']));
  assert.equal(await content(), {});
  await late.renew();
  await late.write(['set', CURRENT_KEY, 'mine']);
  assert.equal(await content(), { [CURRENT_KEY]: 'mine', [EPOCH_KEY]: String(late.epoch) });
});

test('where Postgres is an older copy than Redis, the next epoch is later than both', async () => {
  const { epoch } = await begin('before');
  await harness.need('redis').set(EPOCH_KEY, String(epoch + 40));
  const writer = await begin('after');
  assert.is(writer.epoch, epoch + 41);
  await writer.write(['set', CURRENT_KEY, 'mine']);
  assert.is((await begin('next')).epoch, epoch + 42);
});

test('a worker whose epoch was ended from outside leads again with the next', async () => {
  const worker = await harness.start();
  await harness.caughtUp();
  const { epoch } = await begin('another');
  await harness.need('projection').write([{ subject: 'metrics.events.user.user_login', body: { id: 'f-2' } }]);
  await harness.caughtUp();
  assert.ok(Number(await harness.need('redis').get(EPOCH_KEY)) > epoch);
  await waitFor('the lead', () => (worker.state.kind === 'running' ? true : undefined));
});

test.run();
