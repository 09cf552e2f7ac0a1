import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Dashboard } from '../../../src/queries/dashboard.js';
import type { Summary } from '../../../src/queries/summary.js';
import { testPool } from '../../support/database.js';
import { waitFor } from '../../support/servers.js';
import { startTestService, type TestService } from '../../support/service.js';

const test = suite('Late events');
const DAY_MS = 86_400_000;
/** Far enough from the edges of days that a test at midnight sees the same. */
const MINUTE_MS = 60_000;

let service: TestService;
test.before(async () => {
  service = await startTestService();
});
test.after(() => service.stop());

const timeOf = (daysAgo: number): string => new Date(Date.now() - daysAgo * DAY_MS + MINUTE_MS).toISOString();
const dayOf = (time: string): string => time.slice(0, 10);

async function asked<T>(path: string): Promise<T> {
  const answer = await service.client.get(path);
  assert.is(answer.status, 200, answer.text);
  return answer.json() as T;
}

/** The day of a time, asked for by name; a day that began before the retention is asked for from the retention on. */
function dashboardOf(time: string): Promise<Dashboard> {
  const firstMs = Math.max(Date.parse(`${dayOf(time)}T00:00:00Z`), Date.now() - 90 * DAY_MS + MINUTE_MS / 2);
  const to = new Date(Date.parse(`${dayOf(time)}T00:00:00Z`) + DAY_MS).toISOString();
  return asked(`/metrics/dashboard?from=${new Date(firstMs).toISOString()}&to=${to}&interval=1d`);
}

let sent = 0;
for (const { daysAgo, in7d, in30d } of [
  { daysAgo: 2, in7d: 1, in30d: 1 },
  { daysAgo: 20, in7d: 0, in30d: 1 },
  { daysAgo: 60, in7d: 0, in30d: 0 },
  { daysAgo: 89, in7d: 0, in30d: 0 },
  { daysAgo: 90, in7d: 0, in30d: 0 },
]) {
  test(`one of ${daysAgo} days ago is in the table, the windows and the dashboard of its day`, async () => {
    const before = {
      week: (await asked<Summary>('/metrics/summary?window=7d')).users,
      month: (await asked<Summary>('/metrics/summary?window=30d')).users,
    };
    sent += 1;
    const time = timeOf(daysAgo);
    const event = { event_type: 'user_login', user_id: sent, occurred_at: time, id: `late-${sent}` };
    assert.is((await service.client.post('/metrics/events', event)).status, 202);
    const dashboard = await waitFor('the dashboard of its day', async () => {
      const found = await dashboardOf(time);
      return found.summary.users.logins === 1 && found.summary.users.sessions === 1 ? found : undefined;
    });
    assert.equal(
      dashboard.series.logins.map(({ value }) => value),
      [1],
    );
    assert.is(dashboard.summary.users.active.daily, 1);

    await waitFor('the summaries', async () => {
      const { week, month } = {
        week: (await asked<Summary>('/metrics/summary?window=7d')).users,
        month: (await asked<Summary>('/metrics/summary?window=30d')).users,
      };
      return week.logins === before.week.logins + in7d && month.logins === before.month.logins + in30d
        ? true
        : undefined;
    });
    const pool = testPool(service.servers.database.url, 1);
    try {
      const { rows } = await pool.query<{ partition: string }>(
        'select tableoid::regclass::text as partition from user_events where event_id = $1',
        [event.id],
      );
      assert.equal(rows, [{ partition: `user_events_p${dayOf(time).replaceAll('-', '')}` }]);
    } finally {
      await pool.end();
    }
  });
}

test('one older than the retention is refused, and so is one too far ahead', async () => {
  for (const occurred_at of [timeOf(90.01), timeOf(91), timeOf(-1)]) {
    const answer = await service.client.post('/metrics/events', { event_type: 'user_login', user_id: 1, occurred_at });
    assert.is(answer.status, 422, occurred_at);
    assert.match(answer.text, /occurred_at/);
  }
});

test.run();
