import {
  type Address,
  ensureDatabase,
  type Finding,
  probeListener,
  probeNats,
  probePostgres,
  probeRedis,
} from './probes.js';
import type { Log, ServerKind } from './types.js';

/** A server that somebody else runs, and what the service needs in its environment to use it. */
export interface Existing {
  kind: ServerKind;
  way: 'environment' | 'running';
  /** For people: host and port without credentials. */
  address: string;
  env: Record<string, string>;
}

/** The environment names a server that cannot be used. */
export class UnusableServer extends Error {}

/** Where servers listen unless told otherwise. */
export const DEFAULT_PORTS: Readonly<Record<ServerKind, number>> = { nats: 4222, postgres: 5432, redis: 6379 };
const LABELS: Readonly<Record<ServerKind, string>> = { nats: 'NATS', postgres: 'Postgres', redis: 'Redis' };

/** An empty variable counts as unset, as in a copied `.env.example`. */
function value(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const text = env[name]?.trim();
  return text === '' ? undefined : text;
}

function display({ host, port }: Address): string {
  return `${host}:${port}`;
}

interface Candidate {
  /** The variables that name it; empty for a default port. */
  named: string;
  address: string;
  env: Record<string, string>;
  probe(): Promise<Finding>;
}

function natsAddress(url: string): Address | undefined {
  const full = url.includes('://') ? url : `nats://${url}`;
  if (!URL.canParse(full)) return undefined;
  const { hostname, port } = new URL(full);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || DEFAULT_PORTS.nats) };
}

/** The first that fits of a list; of a cluster one is enough. */
async function probeAnyNats(urls: string[], mayAskForCredentials: boolean): Promise<Finding> {
  let worst: Finding = { state: 'nothing' };
  for (const url of urls) {
    const address = natsAddress(url);
    if (address === undefined) continue;
    const finding = await probeNats(address, mayAskForCredentials || url.includes('@'));
    if (finding.state === 'fits') return finding;
    if (finding.state === 'unfit') worst = finding;
  }
  return worst;
}

function natsCandidate(env: NodeJS.ProcessEnv, defaultPort: number): Candidate {
  const given = value(env, 'NATS_URL');
  const urls = (given ?? `nats://localhost:${defaultPort}`).split(',').map((url) => url.trim());
  const hasCredentials = ['NATS_CREDS', 'NATS_NKEY', 'NATS_TOKEN'].some((name) => value(env, name) !== undefined);
  const addresses = urls.map(natsAddress).filter((address) => address !== undefined);
  return {
    named: given === undefined ? '' : 'NATS_URL',
    address: addresses.map(display).join(', '),
    env: { NATS_URL: urls.join(',') },
    probe: () => probeAnyNats(urls, hasCredentials),
  };
}

function postgresCandidate(env: NodeJS.ProcessEnv, defaultPort: number): Candidate {
  const given = value(env, 'DATABASE_URL');
  const url = given ?? `postgresql://postgres:postgres@localhost:${defaultPort}/metrics_db`;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  return {
    named: given === undefined ? '' : 'DATABASE_URL',
    address: `${parsed?.hostname}:${parsed?.port || DEFAULT_PORTS.postgres}`,
    env: { DATABASE_URL: url },
    probe: async () => {
      if (parsed === undefined) return { state: 'unfit', why: 'is no URL' };
      const finding = await probePostgres(url);
      if (finding.state === 'fits') await ensureDatabase(url);
      return finding;
    },
  };
}

function redisCandidate(env: NodeJS.ProcessEnv, defaultPort: number): Candidate {
  const host = value(env, 'REDIS_HOST');
  const port = value(env, 'REDIS_PORT');
  const named = [host && 'REDIS_HOST', port && 'REDIS_PORT'].filter(Boolean).join(' and ');
  const address = { host: host ?? 'localhost', port: Number(port ?? (named ? DEFAULT_PORTS.redis : defaultPort)) };
  const hasTls = value(env, 'REDIS_TLS_CA') !== undefined || /^(true|1|yes)$/i.test(value(env, 'REDIS_TLS') ?? '');
  return {
    named,
    address: display(address),
    env: { REDIS_HOST: address.host, REDIS_PORT: String(address.port) },
    probe: () =>
      hasTls
        ? probeListener(address)
        : probeRedis(address, value(env, 'REDIS_PASSWORD') ?? '', value(env, 'REDIS_USERNAME') ?? ''),
  };
}

const CANDIDATES = { nats: natsCandidate, postgres: postgresCandidate, redis: redisCandidate } as const;

/**
 * The server that the environment names, else the one on the default port; undefined where there is none that fits.
 * METRICS_PRIVATE_SERVERS=1 leaves the default ports out, for who has something of another project there.
 * What answers on a default port and does not fit is told to `log` and passed over.
 *
 * @throws UnusableServer when the environment names a server that does not answer or does not fit
 */
export async function findExisting(
  kind: ServerKind,
  env: NodeJS.ProcessEnv,
  log: Log,
  defaultPorts: Readonly<Record<ServerKind, number>> = DEFAULT_PORTS,
): Promise<Existing | undefined> {
  const candidate = CANDIDATES[kind](env, defaultPorts[kind]);
  if (candidate.named === '' && value(env, 'METRICS_PRIVATE_SERVERS') === '1') return undefined;
  const finding = await candidate.probe();
  const { address } = candidate;
  if (finding.state === 'fits') {
    return { kind, way: candidate.named ? 'environment' : 'running', address, env: candidate.env };
  }
  if (candidate.named !== '') {
    const trouble = finding.state === 'unfit' ? `what answers there ${finding.why}` : 'nobody answers there';
    throw new UnusableServer(`${candidate.named} names ${LABELS[kind]} at ${address}, but ${trouble}`);
  }
  if (finding.state === 'unfit') log(`passing over ${address} for ${LABELS[kind]}: what answers there ${finding.why}`);
  return undefined;
}
