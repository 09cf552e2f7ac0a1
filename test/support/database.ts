import type { Pool } from 'pg';
import { migrate } from '../../src/store/migrate.js';
import { Partitions } from '../../src/store/partitions.js';
import { openPool } from '../../src/store/postgres.js';
import { testDatabase } from './servers.js';

/** A migrated database of this test's own with the pool that the service uses. */
export interface TestStore {
  readonly url: string;
  readonly pool: Pool;
  readonly partitions: Partitions;
  close(): Promise<void>;
}

/** Opens the pool as the service does; errors of idle connections are expected where servers are killed. */
export function testPool(url: string, maxConnections = 5): Pool {
  return openPool({ databaseUrl: url, maxConnections, applicationName: 'test', onError: () => undefined });
}

export async function openStore(): Promise<TestStore> {
  const database = await testDatabase();
  await migrate(database.url);
  const pool = testPool(database.url);
  return {
    url: database.url,
    pool,
    partitions: new Partitions(pool),
    close: async () => {
      await pool.end();
      await database.drop();
    },
  };
}

/** The one number that a query answers. */
export async function count(pool: Pool, sql: string, values: readonly unknown[] = []): Promise<number> {
  const { rows } = await pool.query<{ count: string }>(sql, [...values]);
  return Number(rows[0]?.count);
}
