/**
 * Every migration, in order: the name under which it is noted as done in `schema_migrations`. Apart from the migrations
 * themselves, so that a start that has nothing to migrate need not load what runs them.
 */
export const MIGRATION_NAMES = [
  'Migration20261124000000_tables',
  'Migration20261125000000_rollups',
  'Migration20261125000001_sessions',
  'Migration20261125000002_counter_bases',
  'Migration20261128000000_generations',
  'Migration20261128000001_outbox_uncompressed',
];
