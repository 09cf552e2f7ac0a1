import { createConnection } from 'node:net';
import pg from 'pg';

/** What was found behind an address. */
export type Finding =
  | { state: 'fits' }
  /** Nobody listens there, or nobody answered in time. */
  | { state: 'nothing' }
  /** Somebody answers who is of no use; `why` completes "what answers there …". */
  | { state: 'unfit'; why: string };

export interface Address {
  host: string;
  port: number;
}

const PROBE_TIMEOUT_MS = 1500;
const MAX_ANSWER_BYTES = 64 * 1024;

/** What somebody at the address says first, or in answer to `greeting`, up to the first line break. */
function firstLine(address: Address, greeting: string, lineCount = 1): Promise<string[] | undefined> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = createConnection({ host: address.host, port: address.port });
    const finish = (connected: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(connected ? answer.split('\r\n').slice(0, lineCount) : undefined);
    };
    let connected = false;
    const timer = setTimeout(() => finish(connected), PROBE_TIMEOUT_MS);
    socket.once('connect', () => {
      connected = true;
      if (greeting !== '') socket.write(greeting);
    });
    socket.on('error', () => finish(connected));
    socket.on('close', () => finish(connected));
    socket.on('data', (data: Buffer) => {
      answer += data.toString('utf8');
      if (answer.split('\r\n').length > lineCount || answer.length > MAX_ANSWER_BYTES) finish(true);
    });
  });
}

/** A NATS server with JetStream that lets anybody in, or asks for credentials where there are some. */
export async function probeNats(address: Address, hasCredentials = false): Promise<Finding> {
  const [line] = (await firstLine(address, '')) ?? [];
  if (line === undefined) return { state: 'nothing' };
  if (!line.startsWith('INFO {')) return { state: 'unfit', why: 'is no NATS server' };
  let info: unknown;
  try {
    info = JSON.parse(line.slice('INFO '.length));
  } catch {
    return { state: 'unfit', why: 'sends no NATS greeting that can be read' };
  }
  if (typeof info !== 'object' || info === null) return { state: 'unfit', why: 'is no NATS server' };
  if (!('jetstream' in info && info.jetstream === true)) return { state: 'unfit', why: 'is NATS without JetStream' };
  if (!hasCredentials && 'auth_required' in info && info.auth_required === true) {
    return { state: 'unfit', why: 'is NATS that asks for credentials (set NATS_URL)' };
  }
  return { state: 'fits' };
}

/** Whether anybody listens, where what is said is not for us to judge: the service speaks TLS with it. */
export async function probeListener(address: Address): Promise<Finding> {
  return (await firstLine(address, 'PING\r\n')) === undefined ? { state: 'nothing' } : { state: 'fits' };
}

/** A Redis that answers PING, after AUTH where there is a password. */
export async function probeRedis(address: Address, password = '', username = ''): Promise<Finding> {
  const words = username === '' ? ['AUTH', password] : ['AUTH', username, password];
  const auth = `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
  const lines = await firstLine(address, password === '' ? 'PING\r\n' : `${auth}PING\r\n`, password === '' ? 1 : 2);
  if (lines === undefined) return { state: 'nothing' };
  if (lines.includes('+PONG')) return { state: 'fits' };
  const complaint = lines.find((line) => line.startsWith('-'));
  if (complaint?.startsWith('-NOAUTH')) {
    return { state: 'unfit', why: 'is Redis that asks for a password (set REDIS_PASSWORD)' };
  }
  if (complaint?.startsWith('-WRONGPASS')) return { state: 'unfit', why: 'is Redis with another password' };
  if (complaint?.startsWith('-LOADING')) return { state: 'unfit', why: 'is Redis that still loads its data' };
  return { state: 'unfit', why: complaint ? `answers PING with "${complaint.slice(0, 80)}"` : 'is no Redis' };
}

function errorCode(error: unknown): string {
  if (error instanceof AggregateError) return errorCode(error.errors[0]);
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

const NOBODY = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']);
const UNDEFINED_DATABASE = '3D000';
const DUPLICATE_DATABASE = '42P04';

/** Runs `work` on one connection that is closed afterwards. */
async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: PROBE_TIMEOUT_MS });
  client.on('error', () => undefined); // What breaks the connection later is told by the query that fails.
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The same server, another database. */
export function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(database)}`;
  return changed.href;
}

/** Creates the database that the URL names where it is missing. Throws what Postgres says. */
export async function ensureDatabase(url: string): Promise<'there' | 'created'> {
  try {
    await withClient(url, (client) => client.query('select 1'));
    return 'there';
  } catch (error) {
    if (errorCode(error) !== UNDEFINED_DATABASE) throw error;
  }
  const name = decodeURIComponent(new URL(url).pathname.slice(1));
  try {
    await withClient(withDatabase(url, 'postgres'), (client) =>
      client.query(`create database ${pg.escapeIdentifier(name)}`),
    );
  } catch (error) {
    if (errorCode(error) !== DUPLICATE_DATABASE) throw error; // Somebody else was first, which is as good.
  }
  return 'created';
}

/** Drops the database that the URL names with all that is in it, and makes it anew. Throws what Postgres says. */
export async function recreateDatabase(url: string): Promise<void> {
  const name = decodeURIComponent(new URL(url).pathname.slice(1));
  await withClient(withDatabase(url, 'postgres'), (client) =>
    client.query(`drop database if exists ${pg.escapeIdentifier(name)} with (force)`),
  );
  await ensureDatabase(url);
}

/** A Postgres that the URL's user can log in to; whether the database exists is not looked at. */
export async function probePostgres(url: string): Promise<Finding> {
  try {
    await withClient(url, (client) => client.query('select 1'));
    return { state: 'fits' };
  } catch (error) {
    const code = errorCode(error);
    if (code === UNDEFINED_DATABASE) return { state: 'fits' };
    if (NOBODY.has(code)) return { state: 'nothing' };
    const says = error instanceof Error ? error.message : String(error);
    return { state: 'unfit', why: `does not let user "${new URL(url).username}" in: ${says}` };
  }
}
