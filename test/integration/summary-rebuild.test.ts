import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../support/seed.js';
import { OTHER } from '../../src/store/summary-schema.js';
import { count } from '../support/database.js';
import { dumpSummaries, type Sent } from '../support/direct-projection.js';
import { SummaryHarness } from '../support/summaries.js';

const harness = new SummaryHarness();
const test = suite('summary rebuild');
test.before.each(() => harness.open());
test.after.each(() => harness.close());

const NOW_MS = Date.now();
test('a batch of the worst shape is applied within the time that Redis may take', async () => {
  // Every event in a minute, of an endpoint and by a user of its own.
  const worst = Array.from(
    { length: 4_000 },
    (_, index): Sent => ({
      subject: `metrics.events.api.service_${index % 400}`,
      body: {
        endpoint: `/page/x${index}`,
        method: 'GET',
        status_code: 200 + (index % 300),
        response_time_ms: index,
        request_bytes: 5,
        occurred_at: new Date(NOW_MS - index * 20_000).toISOString(),
      },
    }),
  );
  await harness.need('projection').write(worst);
  await harness.start();
  await harness.caughtUp();
  const redis = harness.need('redis');
  await redis.config('SET', 'slowlog-log-slower-than', '0');
  await redis.call('SLOWLOG', 'RESET');
  await harness
    .need('projection')
    .write(worst.map(({ subject, body }, index) => ({ subject, body: { ...body, id: `again-${index}` } })));
  await harness.caughtUp();
  const slow = (await redis.call('SLOWLOG', 'GET', '-1')) as [number, number, number, ...unknown[]][];
  const longestUs = Math.max(...slow.map(([, , microseconds]) => microseconds));
  assert.ok(longestUs < 1_500_000, `the longest command took ${longestUs} microseconds`);
});

const DAY_MS = 86_400_000;
const time = fc.integer({ min: 0, max: 3 * DAY_MS }).map((ago) => new Date(NOW_MS - ago).toISOString());
const service = fc.constantFrom('web', 'billing', '__proto__', 'constructor', 'other');
const user = fc.option(fc.integer({ min: -2, max: 20 }), { nil: undefined });
const eventId = fc.option(
  fc.integer({ min: 0, max: 30 }).map((n) => `id-${n}`),
  { nil: undefined },
);
const apiEvent = fc
  .record({
    service,
    endpoint: fc.constantFrom('/', '/users/1', '/users/2?q=1', '/\tx', '/ü', ''),
    body: fc.record({
      id: eventId,
      occurred_at: time,
      method: fc.constantFrom('GET', 'get', 'BREW'),
      status_code: fc.integer({ min: 100, max: 599 }),
      response_time_ms: fc.option(
        fc.oneof(fc.double({ min: 0, max: 5_000, noNaN: true }), fc.integer({ min: 0, max: 2_147_483_647 })),
        { nil: undefined },
      ),
      request_bytes: fc.option(fc.integer({ min: 0, max: 2 ** 40 }), { nil: undefined }),
      response_bytes: fc.option(fc.integer({ min: 0, max: 2 ** 40 }), { nil: undefined }),
    }),
  })
  .map(
    ({ service: name, endpoint, body }): Sent => ({
      subject: `metrics.events.api.${name}`,
      body: { ...body, endpoint: endpoint === '' ? '/e' : endpoint },
    }),
  );
const userEvent = fc
  .record({
    type: fc.constantFrom(
      'user_login',
      'user_registered',
      'feature_used',
      'patient_visit',
      'appointment_created',
      'other',
      '__proto__',
    ),
    body: fc.record({
      id: eventId,
      occurred_at: time,
      user_id: user,
      metadata: fc.option(
        fc.record({
          feature: fc.constantFrom<unknown>('reports', 'a\tb', '', 5, null, OTHER, 'x'.repeat(101), '__proto__x'),
        }),
        { nil: undefined },
      ),
    }),
  })
  .map(({ type, body }): Sent => ({ subject: `metrics.events.user.${type}`, body }));
const systemEvent = fc
  .record({
    service,
    body: fc.record({
      id: eventId,
      occurred_at: time,
      metric_name: fc.constantFrom('cpu_usage', 'db_pool_active', '__proto__'),
      value: fc.double({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, noNaN: true }),
    }),
  })
  .map(({ service: name, body }): Sent => ({ subject: `metrics.events.system.${name}`, body }));

test('a rebuild gives, field by field, what the deltas gave, and both what SQL counts', async () => {
  const { pool } = harness.need('store');
  await harness.start();
  const batches = fc.array(fc.array(fc.oneof(apiEvent, userEvent, systemEvent), { minLength: 1, maxLength: 40 }), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(batches, async (given) => {
      for (const batch of given) await harness.need('projection').write(batch);
      await harness.caughtUp();
      const folded = await dumpSummaries(harness.need('redis'));
      await harness.need('redis').flushall();
      await harness.caughtUp();
      const { meta: _before, ...before } = folded;
      const { meta: _after, ...after } = await dumpSummaries(harness.need('redis'));
      assert.equal(after, before);
      const total = (key: string, field: string): number =>
        Object.entries(before)
          .filter(([name]) => name.startsWith(key))
          .reduce((sum, [, counts]) => sum + Number(counts[field] ?? 0), 0);
      assert.is(total('d:', 'req'), await count(pool, 'select count(*) from api_metrics'));
      assert.is(total('h:', 'err'), await count(pool, 'select count(*) from api_metrics where status_code >= 500'));
      assert.is(
        total('events', 'user_login'),
        await count(pool, "select count(*) from user_events where event_type = 'user_login'"),
      );
      const users = await count(
        pool,
        "select count(distinct user_id) from user_events where event_type = 'user_login'",
      );
      assert.is(Object.keys(before['u:login'] ?? {}).length, users);
    }),
    { numRuns: 15 },
  );
});

test.run();
