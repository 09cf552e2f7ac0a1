// What a run needs before its first test: the servers' programs, found once, and one Postgres that all files share.
import { join } from 'node:path';
import { NotReady } from '../bootstrap.mjs';

/**
 * No test may wait for the disk; a test that is about crashes starts a Postgres of its own. What a server does beside what
 * it is asked to is left out: this one lives for minutes, and tests' tables are small, or analyzed by the product.
 */
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '4GB',
  checkpoint_timeout: '1h',
  bgwriter_lru_maxpages: '0',
  autovacuum: 'off',
  max_connections: '200',
};

/**
 * @param {string} root
 * @param {typeof import('../../dist/src/devservices/index.js')} devservices
 * @param {(line: string) => void} log
 */
export async function findTestPrograms(root, devservices, log) {
  try {
    return (await devservices.findPrograms({ root, log })).programs;
  } catch (error) {
    if (await devservices.findEngine()) {
      throw new NotReady(
        'The tests run nats-server, postgres and redis-server as programs, which are not to be had here; ' +
          'a Docker engine answers, so "npm run test:containers" runs those of the tests that use containers.',
      );
    }
    throw new NotReady(error.message);
  }
}

/**
 * The run's shared Postgres, its database migrated: tests take copies of it.
 *
 * @param {(databaseUrl: string) => Promise<string[]>} migrate
 * @returns {Promise<{url: string, stop: () => Promise<void>}>}
 */
export async function startSharedPostgres(dir, programs, devservices, migrate, onLaunch) {
  const server = await devservices.startPostgres({
    programs,
    dataDir: join(dir, 'postgres'),
    logFile: join(dir, 'postgres.log'),
    settings: SETTINGS,
    onLaunch,
  });
  await migrate(server.url);
  return server;
}
