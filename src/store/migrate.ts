import { Client, DatabaseError } from 'pg';
import { MIGRATION_NAMES } from '../../migrations/names.js';

const CONNECT_TIMEOUT_MS = 10_000;
const UNDEFINED_TABLE = '42P01';

/**
 * Brings the schema up to date. Several processes may start at once: one migrates, the others wait for it.
 *
 * @returns the names of the migrations that were run
 */
export async function migrate(databaseUrl: string): Promise<string[]> {
  if (await isUpToDate(databaseUrl)) return [];
  // Loaded only where it is needed: MikroORM is a good part of the time that a start takes.
  const { runMigrations } = await import('./orm.js');
  return await runMigrations(databaseUrl);
}

async function isUpToDate(databaseUrl: string): Promise<boolean> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>('select name from schema_migrations');
    return MIGRATION_NAMES.every((name) => rows.some((row) => row.name === name));
  } catch (error) {
    if (error instanceof DatabaseError && error.code === UNDEFINED_TABLE) return false;
    throw error;
  } finally {
    await client.end();
  }
}
