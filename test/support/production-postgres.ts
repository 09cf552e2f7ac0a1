import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { type ManagedServer, withDatabase } from '../../src/devservices/index.js';
import type { Certificates } from './certificates.js';
import { documented } from './documented.js';
import { startTestPostgres } from './servers.js';

const ROOT = join(import.meta.dirname, '../../..');

/** Postgres as docs/production.md sets it up: TLS, and a role with a password that config/postgres.sql makes. */
export async function startProductionPostgres(certificates: Certificates, password: string): Promise<ManagedServer> {
  const server = await startTestPostgres();
  const administrator = new pg.Client({ connectionString: withDatabase(server.url, 'postgres') });
  await administrator.connect();
  try {
    await writeFiles(administrator, {
      'server.crt': readFileSync(certificates.certFile, 'utf8'),
      'server.key': readFileSync(certificates.keyFile, 'utf8'),
      // Nobody gets in but as the file says, and the test itself.
      'pg_hba.conf': `${readFileSync(join(ROOT, 'config/pg_hba.conf'), 'utf8')}host all postgres 127.0.0.1/32 scram-sha-256`,
    });
    await administrator.query('drop database metrics_db');
    for (const command of documented('docs/production.md', 'Postgres', 'shell', 4)) {
      await runPsql(server, command, password);
    }
    await administrator.query('select pg_reload_conf()');
  } finally {
    await administrator.end();
  }
  return server;
}

/** The server reads files of its own user, whoever that is, in its data folder: it writes them itself. */
async function writeFiles(administrator: pg.Client, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const lines = `string_to_array(${pg.escapeLiteral(text.trim())}, e'\\n')`;
    await administrator.query(`copy (select unnest(${lines})) to program 'umask 077; cat > ${name}'`);
  }
}

/** What `psql` would do, which is not on every machine. @throws where the command is another than those it knows */
async function runPsql(server: ManagedServer, command: string, password: string): Promise<void> {
  const [, database = 'postgres', option, argument = ''] =
    /^psql (?:-d (\w+) )?-([cf]) '?([^']+)'?$/.exec(command) ?? [];
  if (option === undefined) throw new Error(`what does this do: ${command}`);
  const [, role] = /^\\password (\w+)$/.exec(argument) ?? [];
  const given = role === undefined ? argument : `alter role ${role} password ${pg.escapeLiteral(password)}`;
  const sql = option === 'f' ? readFileSync(join(ROOT, argument), 'utf8') : given;
  const client = new pg.Client({ connectionString: withDatabase(server.url, database) });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
