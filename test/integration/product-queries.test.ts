import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dayOf } from '../../src/store/partitions.js';
import { openStore, type TestStore } from '../support/database.js';

const context: { store?: TestStore } = {};
const test = suite("the product's queries");
const NOW_MS = Date.now();

/** Word for word from the product's description. */
const ACTIVE_USERS = `
SELECT DATE(created_at) as date, COUNT(DISTINCT user_id) as active_users
FROM user_events WHERE event_type = 'user_login' AND created_at >= NOW() - INTERVAL '30 days'
GROUP BY DATE(created_at) ORDER BY date DESC;`;
const RESPONSE_TIMES = `
SELECT service_name, AVG(value) as avg_response_time, COUNT(*) as request_count
FROM system_metrics WHERE metric_name = 'response_time' AND timestamp >= NOW() - INTERVAL '1 hour'
GROUP BY service_name;`;

test.before(async () => {
  context.store = await openStore();
  const { pool, partitions } = context.store;
  await partitions.ensure(Array.from({ length: 42 }, (_, index) => dayOf(NOW_MS) - 40 + index));
  await pool.query(`
    insert into user_events (user_id, event_type, created_at, event_id, stream_seq)
    select n % 5000, case when n % 10 = 0 then 'user_login' else 'page_view_' || n % 9 end,
           now() - (n % 57600) * interval '1 minute', 'u' || n, n
    from generate_series(1, 300000) n`);
  await pool.query(`
    insert into system_metrics (service_name, metric_name, value, timestamp, event_id, stream_seq)
    select 'service_' || n % 6, case when n % 5 = 0 then 'response_time' else 'metric_' || n % 4 end,
           n % 100, now() - (n % 172800) * interval '1 second', 's' || n, n
    from generate_series(1, 300000) n`);
  await pool.query('vacuum analyze');
});
test.after(async () => {
  await context.store?.close();
});

/** A partition that is a few pages large, as today's just after midnight, is rightly read as a whole. */
const LARGE_SEQ_SCAN = /Seq Scan on .*actual time=\S+ rows=\d{4,}/;

async function explain(sql: string): Promise<string> {
  const { rows } = await (context.store?.pool.query<{ 'QUERY PLAN': string }>(`explain (analyze) ${sql}`) ?? {
    rows: [],
  });
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

test('active users by day: an index serves each partition, and days out of range are not touched', async () => {
  const rows = (await context.store?.pool.query(ACTIVE_USERS))?.rows ?? [];
  assert.ok(rows.length === 30 || rows.length === 31, `${rows.length} days`);
  const plan = await explain(ACTIVE_USERS);
  assert.match(plan, /Index Only Scan using user_events_p\d+_event_type_created_at_user_id_idx/);
  assert.match(plan, /Subplans Removed: [1-9]/);
  assert.not.match(plan, LARGE_SEQ_SCAN);
});

test('average response time by service: an index serves it', async () => {
  const rows = (await context.store?.pool.query(RESPONSE_TIMES))?.rows ?? [];
  assert.is(rows.length, 6);
  const plan = await explain(RESPONSE_TIMES);
  assert.match(plan, /Index Only Scan using system_metrics_p\d+_metric_name_timestamp_\w*idx/);
  assert.not.match(plan, LARGE_SEQ_SCAN);
});

test.run();
