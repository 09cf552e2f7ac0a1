import type { Pool } from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogEvent } from '../../src/events/kinds.js';
import { dropExpiredSessions } from '../../src/projections/fold-sessions.js';
import { SessionWorker } from '../../src/projections/session-worker.js';
import { SessionReader } from '../../src/queries/session-reader.js';
import { readCheckpoint, SESSIONS_PROJECTION } from '../../src/store/checkpoints.js';
import { cutRange, readSessionLengths } from '../../src/store/session-lengths.js';
import { createServiceMetrics } from '../../src/telemetry/service-metrics.js';
import { count, openStore, type TestStore } from '../support/database.js';
import { foldEvents } from '../support/fold-events.js';
import { foldAllSessions } from '../support/fold-sessions.js';
import { testLogger } from '../support/projection.js';
import { waitFor } from '../support/servers.js';

const NOON = Date.parse('2026-11-24T12:00:00Z');
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const RETENTION_DAYS = 90;

const context: { store?: TestStore; workers: SessionWorker[] } = { workers: [] };
const test = suite('lengths of sessions');
test.before(async () => {
  context.store = await openStore();
});
test.before.each(async () => {
  context.workers = [];
  await pool().query(
    'truncate user_events, sessions, session_counts, projection_checkpoints, summary_outbox, known_series',
  );
});
test.after.each(async () => {
  await Promise.all(context.workers.map((worker) => worker.stop()));
});
test.after(() => context.store?.close());

function store(): TestStore {
  if (context.store === undefined) throw new Error('not opened');
  return context.store;
}
const pool = (): Pool => store().pool;

function startWorker(): SessionWorker {
  const worker = new SessionWorker({
    pool: pool(),
    databaseUrl: store().url,
    retentionDays: RETENTION_DAYS,
    holder: 'test',
    logger: testLogger,
    metrics: createServiceMetrics(),
    now: () => NOON,
  });
  context.workers.push(worker);
  worker.start();
  return worker;
}

type Sent = readonly [minute: number, user: number | null, metadata?: Record<string, unknown>];

/** Events at minutes after noon, each of a user (null: nobody) and with metadata; in the log behind `after`. */
async function send(events: readonly Sent[], after = 0): Promise<number> {
  const sent = events.map(
    ([minute, user, metadata], index): LogEvent => ({
      kind: 'user',
      body: {
        event_type: 'user_login',
        ...(user === null ? {} : { user_id: user }),
        ...(metadata === undefined ? {} : { metadata }),
      },
      id: `s${after + index}`,
      occurredAtMs: NOON + minute * MINUTE_MS,
      timeFromLog: false,
      sequence: after + index + 1,
    }),
  );
  await foldEvents(pool(), sent);
  return after + sent.length;
}

const long = (end: string): string => `${'x'.repeat(200)}${end}`;
const TABLE: readonly [what: string, events: readonly Sent[], sessions: number, averageMinutes: number | null][] = [
  ['one event', [[0, 1]], 1, 0],
  [
    'a gap of exactly 30 minutes',
    [
      [0, 1],
      [30, 1],
    ],
    1,
    30,
  ],
  [
    'a longer gap',
    [
      [0, 1],
      [10, 1],
      [40.001, 1],
    ],
    2,
    5,
  ],
  [
    'two users at the same time',
    [
      [0, 1],
      [5, 2],
      [10, 1],
      [25, 2],
    ],
    2,
    15,
  ],
  [
    'one session_id over a long gap',
    [
      [0, 1, { session_id: 'a' }],
      [50, 1, { session_id: 'a' }],
    ],
    1,
    50,
  ],
  [
    'a session_id that begins before the login',
    [
      [0, null, { session_id: 'a' }],
      [4, 1, { session_id: 'a' }],
    ],
    1,
    4,
  ],
  [
    'a number as session_id',
    [
      [0, 1, { session_id: 7 }],
      [8, 2, { session_id: 7 }],
    ],
    1,
    8,
  ],
  [
    'an empty session_id, or one that is no text',
    [
      [0, 1, { session_id: '' }],
      [6, 1, { session_id: null }],
    ],
    1,
    6,
  ],
  [
    'long ids that differ at their ends',
    [
      [0, 1, { session_id: long('a') }],
      [6, 1, { session_id: long('b') }],
    ],
    2,
    0,
  ],
  [
    'a long id',
    [
      [0, 1, { session_id: long('a') }],
      [6, 1, { session_id: long('a') }],
    ],
    1,
    6,
  ],
  [
    'an id that looks like a user',
    [
      [0, 1, { session_id: 'user:1' }],
      [6, 1],
    ],
    2,
    0,
  ],
  [
    'events of nobody',
    [
      [0, null],
      [10, null],
    ],
    0,
    null,
  ],
  [
    'events with and without session_id',
    [
      [0, 1, { session_id: 'a' }],
      [2, 1],
      [12, 1],
      [20, 1, { session_id: 'a' }],
    ],
    2,
    15,
  ],
];
for (const [what, events, sessions, averageMinutes] of TABLE) {
  test(`${what}: ${sessions} sessions of ${averageMinutes} minutes`, async () => {
    await send(events);
    await foldAllSessions(pool());
    const found = await readSessionLengths(pool(), NOON, NOON + HOUR_MS);
    assert.is(found?.sessions, sessions);
    assert.is(found?.averageSeconds, averageMinutes === null ? null : averageMinutes * 60);
  });
}

test('a session belongs to the stretch in which it began, and counts whole', async () => {
  await send([
    [50, 1, { session_id: 'a' }],
    [200, 1, { session_id: 'a' }],
  ]);
  await foldAllSessions(pool());
  const lengths = async (from: number, to: number | null) =>
    (await readSessionLengths(pool(), NOON + from * MINUTE_MS, to === null ? null : NOON + to * MINUTE_MS))
      ?.averageSeconds;
  for (const [from, to] of [
    [50, 51],
    [0, 60],
    [-1_440, 1_440],
    [-720, null],
    [49, null],
  ] as const) {
    assert.is(await lengths(from, to), 9_000, `${from} to ${to}`);
  }
  for (const [from, to] of [
    [51, 300],
    [0, 50],
    [60, null],
    [720, null],
  ] as const) {
    assert.is(await lengths(from, to), null, `${from} to ${to}`);
  }
});

test('percentiles are within two per cent of the nearest rank', async () => {
  await send(
    Array.from({ length: 100 }, (_, index): Sent[] => [
      [0, index],
      [index / 7, index],
    ]).flat(),
  );
  await foldAllSessions(pool());
  for (const from of [NOON, NOON - 1_000]) {
    const found = await readSessionLengths(pool(), from, null);
    assert.ok(Math.abs((found?.p50Seconds ?? 0) - (49 / 7) * 60) <= (49 / 7) * 60 * 0.02);
    assert.ok(Math.abs((found?.p95Seconds ?? 0) - (94 / 7) * 60) <= (94 / 7) * 60 * 0.02);
  }
});

test('a range is cut into days, hours and edges that make it whole', () => {
  const part = (spanSeconds: number, from: string, to: string) => ({
    spanSeconds,
    fromMs: Date.parse(from),
    toMs: Date.parse(to),
  });
  const cut = (from: string, to: string) => cutRange(Date.parse(from), Date.parse(to));
  assert.equal(cut('2026-11-01T22:30:00Z', '2026-11-04T01:00:01Z'), [
    part(0, '2026-11-01T22:30:00Z', '2026-11-01T23:00:00Z'),
    part(3_600, '2026-11-01T23:00:00Z', '2026-11-02T00:00:00Z'),
    part(86_400, '2026-11-02T00:00:00Z', '2026-11-04T00:00:00Z'),
    part(3_600, '2026-11-04T00:00:00Z', '2026-11-04T01:00:00Z'),
    part(0, '2026-11-04T01:00:00Z', '2026-11-04T01:00:01Z'),
  ]);
  assert.equal(cut('2026-11-01T22:30:00Z', '2026-11-01T22:31:00Z'), [
    part(0, '2026-11-01T22:30:00Z', '2026-11-01T22:31:00Z'),
  ]);
  assert.equal(cut('2026-11-01T00:00:00Z', '2026-11-01T00:00:00Z'), []);
});

test('the worker folds what the tables get, late events included', async () => {
  startWorker();
  const lengths = () => readSessionLengths(pool(), NOON - HOUR_MS, null);
  let sequence = await send([
    [0, 1],
    [60, 1],
  ]);
  await waitFor('two sessions', async () => ((await lengths())?.sessions === 2 ? true : undefined));
  sequence = await send([[30, 1]], sequence);
  const joined = await waitFor('one session', async () => {
    const found = await lengths();
    return found?.sessions === 1 ? found : undefined;
  });
  assert.is(joined.averageSeconds, 3_600);
  assert.is((await readCheckpoint(pool(), SESSIONS_PROJECTION))?.sequence, sequence);
});

test('a second worker takes over where the first one stopped', async () => {
  const first = startWorker();
  await waitFor('the lease', () => (first.state.kind === 'running' ? true : undefined));
  const second = startWorker();
  await waitFor('the standby', () => (second.state.kind === 'standby' ? true : undefined));
  await first.stop();
  await send([[0, 1]]);
  await waitFor('a session', async () => (await readSessionLengths(pool(), NOON, null))?.sessions === 1 || undefined);
});

test('before they are folded they are not known', async () => {
  await send([[0, 1]]);
  assert.is(await readSessionLengths(pool(), NOON, null), null);
  await foldAllSessions(pool());
  assert.is((await readSessionLengths(pool(), NOON, null))?.sessions, 1);
});

for (const [what, change] of [
  ['are behind the sessions', 'sequence = 1'],
  ['were folded from another stream', `stream_created_at = 'later'`],
] as const) {
  test(`tables that ${what}: nothing is known until the sessions are folded anew`, async () => {
    await send([
      [0, 1],
      [10, 1],
      [100, 2],
    ]);
    await foldAllSessions(pool());
    // As a rebuild does it: fewer rows, and the checkpoint behind.
    await pool().query('delete from user_events where stream_seq > 1');
    await pool().query(`update projection_checkpoints set ${change} where name = 'tables'`);
    assert.is(await readSessionLengths(pool(), NOON, null), null);
    await foldAllSessions(pool());
    const found = await readSessionLengths(pool(), NOON, null);
    assert.equal([found?.sessions, found?.averageSeconds], [1, 0]);
    assert.is(await count(pool(), 'select count(*) from sessions'), 1);
    assert.is(await count(pool(), 'select sum(sessions) as count from session_counts'), 2);
  });
}

test('sessions whose checkpoint was removed are folded anew', async () => {
  await send([
    [0, 1],
    [10, 1],
  ]);
  await foldAllSessions(pool());
  await pool().query(`delete from projection_checkpoints where name = 'sessions'`);
  assert.is(await readSessionLengths(pool(), NOON, null), null);
  await foldAllSessions(pool());
  assert.is((await readSessionLengths(pool(), NOON, null))?.sessions, 1);
});

test('what began before the retention is deleted, by whole days', async () => {
  await send([
    [0, 1],
    [1_440, 2],
    [2_880, 3],
  ]);
  await foldAllSessions(pool());
  await dropExpiredSessions(pool(), NOON + DAY_MS + RETENTION_DAYS * DAY_MS, RETENTION_DAYS);
  assert.is((await readSessionLengths(pool(), NOON - DAY_MS, null))?.sessions, 2);
  assert.is(await count(pool(), 'select count(*) from sessions'), 2);
});

test('the reader keeps what it read for a moment, and longer while Postgres is away', async () => {
  let answers: 'yes' | 'no' = 'yes';
  let asked = 0;
  const postgres = new Proxy(pool(), {
    get: (target, name) => {
      if (name !== 'query') return Reflect.get(target, name);
      return (...query: Parameters<Pool['query']>) => {
        asked += 1;
        return answers === 'yes' ? target.query(...query) : Promise.reject(new Error('away'));
      };
    },
  });
  let clockMs = 0;
  const reader = new SessionReader(postgres, () => clockMs, { withCopyMs: 30_000, withoutMs: 30_000 });
  const sessions = async () => (await reader.lengths('24h', NOON))?.sessions;
  await send([[0, 1]]);
  await foldAllSessions(pool());
  assert.is(await sessions(), 1);
  await send([[0, 2]], 1);
  await foldAllSessions(pool());
  clockMs = 400;
  assert.is(await sessions(), 1);
  assert.is(asked, 1);
  clockMs = 3_000;
  assert.is(await sessions(), 2);
  answers = 'no';
  clockMs = 60_000;
  assert.is(await sessions(), 2);
  assert.is(asked, 3);
  assert.is(await sessions(), 2);
  assert.is(asked, 3, 'Postgres is left alone for a second');
  clockMs = 400_000;
  assert.is(await sessions(), undefined);
});

test('a Postgres that is slow holds up nobody who has a copy for longer than a moment', async () => {
  let isSlow = false;
  let release = (): void => undefined;
  const postgres = new Proxy(pool(), {
    get: (target, name) => {
      if (name !== 'query') return Reflect.get(target, name);
      return async (...query: Parameters<Pool['query']>) => {
        if (isSlow) await new Promise<void>((resolve) => (release = resolve));
        return target.query(...query);
      };
    },
  });
  let clockMs = 0;
  const reader = new SessionReader(postgres, () => clockMs, { withCopyMs: 1, withoutMs: 30_000 });
  await send([[0, 1]]);
  await foldAllSessions(pool());
  const first = await reader.lengths('24h', NOON);
  assert.is(first?.sessions, 1);
  isSlow = true;
  clockMs = 10_000;
  assert.is(await reader.lengths('24h', NOON), first, 'answered while Postgres has not');
  isSlow = false;
  release();
  clockMs = 20_000;
  await waitFor('the copy is renewed', async () => {
    clockMs += 1_500;
    return (await reader.lengths('24h', NOON)) !== null ? true : undefined;
  });
  assert.is(await reader.lengths('24h', NOON), first, 'the same numbers are the same object');
});

test.run();
