import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import { Migration20261124000000_tables } from '../../migrations/Migration20261124000000_tables.js';
import { Migration20261125000000_rollups } from '../../migrations/Migration20261125000000_rollups.js';
import { Migration20261125000001_sessions } from '../../migrations/Migration20261125000001_sessions.js';
import { Migration20261125000002_counter_bases } from '../../migrations/Migration20261125000002_counter_bases.js';
import { Migration20261128000000_generations } from '../../migrations/Migration20261128000000_generations.js';
import { Migration20261128000001_outbox_uncompressed } from '../../migrations/Migration20261128000001_outbox_uncompressed.js';
import { ENTITIES } from './entities.js';
import { withAdvisoryLock } from './locks.js';

/** Every migration, in the order of `MIGRATION_NAMES`. Listed by hand, so that a build contains what it runs. */
export const MIGRATIONS = [
  Migration20261124000000_tables,
  Migration20261125000000_rollups,
  Migration20261125000001_sessions,
  Migration20261125000002_counter_bases,
  Migration20261128000000_generations,
  Migration20261128000001_outbox_uncompressed,
].map((migration) => ({
  name: migration.name,
  class: migration,
}));

/** Opens MikroORM; it connects with the first query. */
export function openOrm(databaseUrl: string): Promise<MikroORM> {
  return MikroORM.init({
    clientUrl: databaseUrl,
    // Of the URL MikroORM takes host and name; `sslmode` and the like it would leave out, and go on in the clear.
    driverOptions: { connectionString: databaseUrl },
    entities: ENTITIES,
    extensions: [Migrator],
    migrations: { migrationsList: MIGRATIONS, tableName: 'schema_migrations', snapshot: false },
    forceUtcTimezone: true,
    pool: { min: 0, max: 2 },
    // It would write to standard output, which belongs to the command line. What was migrated is returned.
    logger: () => undefined,
  });
}

/** Runs the migrations that are not noted as done; `migrate` is the way to call it. @returns their names */
export async function runMigrations(databaseUrl: string): Promise<string[]> {
  const orm = await openOrm(databaseUrl);
  try {
    return await withAdvisoryLock(databaseUrl, 'migrations', async () => {
      const done = await orm.migrator.up();
      return done.map((migration) => migration.name);
    });
  } finally {
    await orm.close();
  }
}
