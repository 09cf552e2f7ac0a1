import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { Redis } from 'ioredis';
import type { Environment } from '../../src/config.js';
import { freePort, type ManagedServer } from '../../src/devservices/index.js';
import { createUserKey } from '../../src/stream/user-key.js';
import { type Certificates, makeCertificates } from './certificates.js';
import { documented } from './documented.js';
import { startProductionPostgres } from './production-postgres.js';
import { startTestNats, startTestRedis, temporaryFolder } from './servers.js';
import { TEST_SECRET } from './service.js';

const ROOT = join(import.meta.dirname, '../../..');
/** Users of config/nats.conf, by the name that the file gives to their keys. */
export const NATS_USERS = ['METRICS_SERVICE', 'APPOINTMENTS', 'NOTIFICATIONS', 'ON_CALL'] as const;
export type NatsUser = (typeof NATS_USERS)[number];

/** NATS, Postgres and Redis with the files of config/ for production; certificates, keys, ports and folders are the test's. */
export interface ProductionServers {
  readonly nats: ManagedServer;
  readonly postgres: ManagedServer;
  readonly redis: ManagedServer;
  readonly certificates: Certificates;
  /** Files with the seeds. */
  readonly seedFiles: Readonly<Record<NatsUser, string>>;
  /** As whom Postgres was set up. */
  readonly superuserUrl: string;
  readonly folder: string;
  /** What docs/production.md says to set. */
  readonly env: Environment;
  /** A connection to Redis; the test has added `administrator`, who may do everything, with the same password. */
  redisAs(user: { readonly username?: string; readonly password?: string }): Redis;
  natsLog(): string;
  stop(): Promise<void>;
}

export async function startProductionServers(): Promise<ProductionServers> {
  const folder = temporaryFolder('production');
  const certificates = await makeCertificates(folder);
  const password = randomBytes(24).toString('hex');
  const [nats, postgres, redis] = await Promise.all([
    startNats(folder, certificates),
    startProductionPostgres(certificates, password),
    startRedis(folder, certificates, password),
  ]);
  const { caFile } = certificates;
  return {
    nats: nats.server,
    postgres,
    redis,
    certificates,
    seedFiles: nats.seedFiles,
    superuserUrl: postgres.url,
    folder,
    env: {
      ...documentedEnv({
        '<password>': password,
        'nats.example.org:4222': `localhost:${nats.server.port}`,
        '/etc/metrics/metrics-service.nk': nats.seedFiles.METRICS_SERVICE,
        'postgres.example.org': `localhost:${postgres.port}`,
        'redis.example.org': 'localhost',
        '/etc/metrics/ca.crt': caFile,
      }),
      REDIS_PORT: String(redis.port),
      HOST: '127.0.0.1',
      PORT: '0',
      JWT_SECRET: TEST_SECRET,
    },
    redisAs: (user) =>
      new Redis({
        host: 'localhost',
        port: redis.port,
        tls: { ca: readFileSync(caFile) },
        enableReadyCheck: false,
        ...user,
      }).on('error', () => undefined),
    natsLog: () => readFileSync(nats.logFile, 'utf8'),
    stop: async () => {
      await Promise.all([nats.server.stop(), postgres.stop(), redis.stop()]);
    },
  };
}

/** What docs/production.md says to set, with the values of its examples replaced by those of the test. */
function documentedEnv(values: Readonly<Record<string, string>>): Environment {
  const [block = ''] = documented('docs/production.md', 'The service', 'dotenv', 1);
  return Object.fromEntries(Object.entries(parseEnv(replaceAll(block, values))).map(([name, value]) => [name, value]));
}

/** Every text of the left has to be there, so that no test passes with a file that lacks it. */
function replaceAll(text: string, replacements: Readonly<Record<string, string>>): string {
  return Object.entries(replacements).reduce((before, [from, to]) => {
    if (!before.includes(from)) throw new Error(`there is no ${from} in\n${before}`);
    return before.replaceAll(from, to);
  }, text);
}

/** A file of config/ with each text replaced. */
function configured(name: string, replacements: Readonly<Record<string, string>>): string {
  return replaceAll(readFileSync(join(ROOT, 'config', name), 'utf8'), replacements);
}

/** @returns config/nats.conf with keys of the test, and the seeds that belong to them */
function natsConfig(folder: string, certificates: Certificates, port: number, logFile: string) {
  const text = configured('nats.conf', {
    '"0.0.0.0:4222"': `"127.0.0.1:${port}"`,
    'http: "127.0.0.1:8222"': '',
    '"/etc/nats/tls/server.crt"': JSON.stringify(certificates.certFile),
    '"/etc/nats/tls/server.key"': JSON.stringify(certificates.keyFile),
    '"/data"': JSON.stringify(join(folder, 'jetstream')),
  });
  const keys = NATS_USERS.map((user) => ({ user, ...createUserKey() }));
  const seedFile = (user: NatsUser): string => join(folder, `${user}.nk`);
  let config = `${text}\nlog_file: ${JSON.stringify(logFile)}\n`;
  for (const { user, seed, publicKey } of keys) {
    const line = new RegExp(`^${user}: "U[A-Z2-7]{55}"$`, 'm');
    if (!line.test(config)) throw new Error(`config/nats.conf has no key of ${user}`);
    config = config.replace(line, `${user}: "${publicKey}"`);
    writeFileSync(seedFile(user), `${seed}\n`, { mode: 0o600 });
  }
  const seedFiles = {
    METRICS_SERVICE: seedFile('METRICS_SERVICE'),
    APPOINTMENTS: seedFile('APPOINTMENTS'),
    NOTIFICATIONS: seedFile('NOTIFICATIONS'),
    ON_CALL: seedFile('ON_CALL'),
  };
  return { config, seedFiles };
}

async function startNats(folder: string, certificates: Certificates) {
  const port = await freePort();
  const logFile = join(folder, 'nats.log');
  const { config, seedFiles } = natsConfig(folder, certificates, port, logFile);
  return { server: await startTestNats({ port, config, isReady }), seedFiles, logFile };
}

/** By the command of docs/production.md. */
function documentedHash(password: string): string {
  const [command = ''] = documented('docs/production.md', 'Redis', 'shell', 1);
  const [, script = ''] = /^node -p "(.*)" the-password$/.exec(command) ?? [];
  return execFileSync(process.execPath, ['-p', script, password], { encoding: 'utf8' }).trim();
}

async function startRedis(folder: string, certificates: Certificates, password: string): Promise<ManagedServer> {
  const port = await freePort();
  const hash = documentedHash(password);
  const acl = readFileSync(join(ROOT, 'config/redis.acl'), 'utf8').replace(/#[0-9a-f]{64}/, `#${hash}`);
  const aclFile = join(folder, 'users.acl');
  writeFileSync(aclFile, `${acl}user administrator on #${hash} allkeys allcommands\n`);
  const settings = configured('redis.conf', {
    'tls-port 6379': `tls-port ${port}`,
    'bind * -::*': 'bind 127.0.0.1',
    '/etc/redis/tls/server.crt': certificates.certFile,
    '/etc/redis/tls/server.key': certificates.keyFile,
    '/etc/redis/tls/ca.crt': certificates.caFile,
    '/etc/redis/users.acl': aclFile,
    'dir /data': `dir ${folder}`,
  });
  const lines = settings.split('\n').filter((line) => /^[a-z]/.test(line));
  const args = lines.flatMap((line) => {
    const [name = '', ...values] = line.split(' ');
    return [`--${name}`, ...values.map((value) => (value === '""' ? '' : value))];
  });
  return await startTestRedis({ port, args, isReady });
}

/** Whether somebody listens. */
function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}
