import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GetStatusHandler, type StreamStatus } from '../../../src/queries/get-status.js';
import { beginEpoch, TABLES_PROJECTION } from '../../../src/store/checkpoints.js';
import { SummaryHarness } from '../../support/summaries.js';

const ROUNDS = 100;

const harness = new SummaryHarness();
const test = suite('operational status');
test.before(() => harness.open());
test.after(() => harness.close());

test('a projector that goes on while it is asked for is not ahead of the log', async () => {
  const { pool } = harness.need('store');
  const log = { last: 1, asked: 0 };
  await beginEpoch(pool, TABLES_PROJECTION, 'test', '');
  const streams = (): Promise<StreamStatus[]> => {
    log.asked += 1;
    const messages = log.last;
    return Promise.resolve([
      { name: 'METRICS', messages, bytes: 1, first_sequence: 1, last_sequence: messages, oldest_at: null },
    ]);
  };
  const handler = new GetStatusHandler({
    pool,
    redis: harness.need('redis'),
    logStream: 'METRICS',
    streams,
    storedAtMs: () => Promise.resolve(undefined),
    reported: () => ({ tables: { kind: 'running' } }),
    now: () => Date.now(),
  });
  let isAsking = true;
  // The log first, then the tables: so they are never ahead of it.
  const projecting = (async () => {
    while (isAsking) {
      log.last += 1;
      await pool.query(`update projection_checkpoints set sequence = $1 where name = 'tables'`, [log.last]);
    }
  })();
  const states = new Set<string>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const { projections } = await handler.execute();
    states.add(projections.find(({ name }) => name === 'tables')?.state ?? 'none');
  }
  isAsking = false;
  await projecting;
  assert.ok(log.asked === ROUNDS && log.last > ROUNDS, 'it went on meanwhile');
  assert.equal([...states], ['running']);
});

test.run();
