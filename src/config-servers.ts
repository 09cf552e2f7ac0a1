import { readFileSync } from 'node:fs';
import type { EnvReader } from './config-reader.js';

/** Files with certificates in PEM. Who has this at all speaks TLS or not at all. */
export interface TlsConfig {
  /** Who has to have signed the server's certificate; where it is unset, those whom Node.js trusts. */
  readonly caFile?: string;
  /** What this service shows, where a server asks for it. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

export interface NatsConfig {
  readonly servers: readonly string[];
  /** At most one of these three. */
  readonly credsFile?: string;
  readonly nkeyFile?: string;
  readonly token?: string;
  readonly tls?: TlsConfig;
  /** Under which subjects answers to this service come; `_INBOX` where it is unset. */
  readonly inboxPrefix?: string;
}

export interface RedisConfig {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password: string;
  readonly db: number;
  readonly tls?: TlsConfig;
}

/** Where NATS, Postgres and Redis are. */
export interface ServersConfig {
  readonly databaseUrl: string;
  readonly nats: NatsConfig;
  readonly redis: RedisConfig;
}

const NATS_PROTOCOLS = ['nats:', 'tls:'];
const SUBJECT_PREFIX = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
/** The secret part of a user's nkey: base32, with a checksum that the client looks at. */
const USER_SEED = /^SU[A-Z2-7]{56}$/;
const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];
const SSL_FILES = ['sslrootcert', 'sslcert', 'sslkey'];

/** Reads what leads to the three servers. Values of URLs are never repeated: they hold passwords. */
export function readServers(read: EnvReader): ServersConfig {
  return { databaseUrl: readDatabaseUrl(read), nats: readNats(read), redis: readRedis(read) };
}

export function readNats(read: EnvReader): NatsConfig {
  const servers = readNatsServers(read);
  const tls = readTls(read, 'NATS_TLS');
  const asksForTls = tls !== undefined || servers.some((server) => server.startsWith('tls:'));
  return {
    servers,
    ...readNatsLogin(read),
    ...(asksForTls ? { tls: tls ?? {} } : {}),
    ...readInboxPrefix(read),
  };
}

/** Host and port alone are fine, too. What is no address would fail much later, and with its password in the message. */
function readNatsServers(read: EnvReader): readonly string[] {
  const servers = read.list('NATS_URL', 'nats://localhost:4222');
  const areUrls = servers.every((server) => {
    const url = server.includes('://') ? server : `nats://${server}`;
    return URL.canParse(url) && NATS_PROTOCOLS.includes(new URL(url).protocol) && new URL(url).hostname !== '';
  });
  if (!areUrls || servers.length === 0)
    read.problem('NATS_URL', 'must be a comma list of URLs that begin with nats:// or tls://');
  return servers;
}

function readNatsLogin(read: EnvReader): Pick<NatsConfig, 'credsFile' | 'nkeyFile' | 'token'> {
  const login = {
    ...read.readableFile('credsFile', 'NATS_CREDS'),
    ...readSeedFile(read),
    ...read.optional('token', 'NATS_TOKEN'),
  };
  if (Object.keys(login).length > 1) read.problem('NATS_CREDS', 'and NATS_NKEY and NATS_TOKEN: only one may be set');
  return login;
}

function readSeedFile(read: EnvReader): Pick<NatsConfig, 'nkeyFile'> {
  const before = read.problems.length;
  const found = read.readableFile('nkeyFile', 'NATS_NKEY');
  if (found.nkeyFile === undefined || read.problems.length > before) return found;
  if (!USER_SEED.test(readFileSync(found.nkeyFile, 'utf8').trim()))
    read.problem('NATS_NKEY', "must name a file with a user's seed alone, as SUA…");
  return found;
}

function readInboxPrefix(read: EnvReader): Pick<NatsConfig, 'inboxPrefix'> {
  const found = read.optional('inboxPrefix', 'NATS_INBOX_PREFIX');
  if (found.inboxPrefix !== undefined && !SUBJECT_PREFIX.test(found.inboxPrefix))
    read.problem('NATS_INBOX_PREFIX', 'must be a subject without wildcards, as _INBOX_metrics');
  return found;
}

function readRedis(read: EnvReader): RedisConfig {
  const tls = readTls(read, 'REDIS_TLS');
  // Files of certificates without TLS would be a password sent in the clear.
  const asksForTls = read.boolean('REDIS_TLS', tls !== undefined);
  if (tls !== undefined && !asksForTls)
    read.problem('REDIS_TLS', 'must be true where REDIS_TLS_CA or REDIS_TLS_CERT is set');
  return {
    host: read.text('REDIS_HOST', 'localhost'),
    port: read.integer('REDIS_PORT', 6379, 1, 65_535),
    ...read.optional('username', 'REDIS_USERNAME'),
    password: read.text('REDIS_PASSWORD', ''),
    db: read.integer('REDIS_DB', 0, 0, 1_000_000),
    ...(asksForTls ? { tls: tls ?? {} } : {}),
  };
}

/** @param prefix of the three variables; @returns undefined where none is set */
function readTls(read: EnvReader, prefix: 'NATS_TLS' | 'REDIS_TLS'): TlsConfig | undefined {
  const tls = {
    ...read.readableFile('caFile', `${prefix}_CA`),
    ...read.readableFile('certFile', `${prefix}_CERT`),
    ...read.readableFile('keyFile', `${prefix}_KEY`),
  };
  if ((tls.certFile === undefined) !== (tls.keyFile === undefined))
    read.problem(`${prefix}_CERT`, `and ${prefix}_KEY must be set together`);
  return Object.keys(tls).length === 0 ? undefined : tls;
}

function readDatabaseUrl(read: EnvReader): string {
  const text = read.text('DATABASE_URL', 'postgresql://postgres:postgres@localhost:5432/metrics_db');
  if (!URL.canParse(text) || !['postgres:', 'postgresql:'].includes(new URL(text).protocol)) {
    read.problem('DATABASE_URL', 'must be a URL that begins with postgresql://');
    return text;
  }
  const { searchParams } = new URL(text);
  const mode = searchParams.get('sslmode');
  if (mode !== null && !SSL_MODES.includes(mode))
    read.problem('DATABASE_URL', `has another sslmode than ${SSL_MODES.join(', ')}`);
  for (const name of SSL_FILES) {
    const file = searchParams.get(name);
    if (file !== null) read.checkReadable('DATABASE_URL', file, `names a file that cannot be read: ${name}`);
  }
  return text;
}
