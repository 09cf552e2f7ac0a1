import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readRebuildState } from '../../src/projections/rebuild/rebuild-state.js';
import { createShadow } from '../../src/projections/rebuild/shadow-tables.js';
import { EVENT_TABLES, SHADOW_SCHEMA } from '../../src/store/partitions.js';
import { inTransaction } from '../../src/store/postgres.js';
import { openStore } from '../support/database.js';
import { WISHES } from '../support/rebuild-stage.js';
import { waitFor } from '../support/servers.js';

const test = suite('state of a rebuild');

test('what is cleared away while it is asked for is not there', async () => {
  const store = await openStore();
  try {
    await createShadow(store.pool, EVENT_TABLES, WISHES, 'test', new Date().toISOString());
    assert.equal((await readRebuildState(store.pool)).candidate?.tables, EVENT_TABLES);
    let read: ReturnType<typeof readRebuildState> | undefined;
    await inTransaction(store.pool, async (client) => {
      await client.query(`drop schema ${SHADOW_SCHEMA} cascade`);
      read = readRebuildState(store.pool);
      await waitFor('the read to wait for the drop', async () => {
        const { rows } = await store.pool.query(
          `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
        );
        return rows.length > 0 ? true : undefined;
      });
    });
    assert.equal(await read, { candidate: undefined, replaced: undefined });
  } finally {
    await store.close();
  }
});

test.run();
