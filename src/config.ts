/**
 * The environment and the files that it names, read once at start. Everything that is wrong is collected and reported
 * together, by name.
 */
import { type AlertsConfig, type RulesConfig, readAlerts, readRulesConfig } from './config-alerts.js';
import { ConfigError } from './config-error.js';
import { type BusinessMapping, loadBusiness, loadSources, NO_BUSINESS, type SourceEntry } from './config-files.js';
import { type HttpLimits, readHttpLimits } from './config-http.js';
import { type JwtConfig, readJwt } from './config-jwt.js';
import { type Environment, EnvReader } from './config-reader.js';
import { MIN_KEY_BYTES, MIN_TOKEN_BYTES } from './config-secrets.js';
import { readNats, readServers, type ServersConfig } from './config-servers.js';

export { HTTP_LIMITS, type HttpLimits } from './config-http.js';
export type { JwtKeySource } from './config-jwt.js';
export type { Environment } from './config-reader.js';
export { DEVELOPMENT_PREFIX } from './config-secrets.js';
export type { NatsConfig, RedisConfig, ServersConfig } from './config-servers.js';

export const ROLES = ['api', 'projector', 'alerts'] as const;
export type Role = (typeof ROLES)[number];

/** What becomes of IP addresses in events; it has the shape of `AddressRule` in src/events. */
export type AddressRule =
  | { readonly kind: 'truncate' }
  | { readonly kind: 'hash'; readonly key: string }
  | { readonly kind: 'keep' };

export interface Config extends ServersConfig {
  readonly port: number;
  readonly host: string;
  /** Whose pages may ask below /metrics/; nobody's but ours where it is empty. */
  readonly corsOrigins: readonly string[];
  readonly docsEnabled: boolean;
  readonly http: HttpLimits;
  /** A level of pino. */
  readonly logLevel: string;
  readonly production: boolean;
  readonly roles: ReadonlySet<Role>;
  readonly retentionDays: number;
  readonly aggregationIntervalSeconds: number;
  readonly dedupWindowSeconds: number;
  readonly streamReplicas: number;
  readonly thresholds: { readonly errorRate: number; readonly responseTimeMs: number };
  readonly jwt: JwtConfig;
  readonly prometheusToken?: string;
  readonly addresses: AddressRule;
  /** Subjects of other services, from SOURCES_FILE. */
  readonly sources: readonly SourceEntry[];
  /** Which event types count as which business number, from BUSINESS_FILE. */
  readonly business: BusinessMapping;
  readonly alerts: AlertsConfig;
}

/** What reading the log as the service does takes. */
export type LogConfig = Pick<Config, 'nats' | 'retentionDays' | 'sources' | 'addresses'>;

/** What trying rules of alerts on the log takes. */
export interface AlertsTrialConfig extends Pick<Config, 'nats' | 'retentionDays' | 'thresholds' | 'sources'> {
  readonly alerts: RulesConfig;
}

/** What folding the log as the projector does takes. */
export type FoldConfig = ServersConfig & Pick<Config, 'retentionDays' | 'sources' | 'addresses' | 'business'>;

const PINO_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const LEVEL_ALIASES: Readonly<Record<string, string>> = { warning: 'warn', critical: 'fatal' };

/**
 * Turns the environment into the resolved configuration.
 *
 * @throws ConfigError with every problem found
 */
export function loadConfig(env: Environment): Config {
  const read = new Reader(env);
  const config: Config = {
    port: read.integer('PORT', 8005, 0, 65_535),
    host: read.text('HOST', '0.0.0.0'),
    corsOrigins: read.corsOrigins(),
    docsEnabled: read.boolean('DOCS_ENABLED', true),
    http: readHttpLimits(read),
    logLevel: read.logLevel(),
    production: read.isProduction,
    roles: read.roles(),
    ...readServers(read),
    ...readLogReading(read),
    aggregationIntervalSeconds: read.integer('METRICS_AGGREGATION_INTERVAL', 300, 10, 86_400),
    dedupWindowSeconds: read.integer('METRICS_DEDUP_WINDOW', 600, 1, 86_400),
    streamReplicas: read.integer('METRICS_STREAM_REPLICAS', 1, 1, 5),
    thresholds: read.thresholds(),
    jwt: readJwt(read),
    ...read.token('prometheusToken', 'PROMETHEUS_TOKEN', MIN_TOKEN_BYTES),
    business: read.business(),
    alerts: readAlerts(read),
  };
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return deepFreeze(config);
}

/** How the log is read. Whoever compares has to read it as the projector does. */
function readLogReading(read: Reader): Pick<Config, 'retentionDays' | 'sources' | 'addresses'> {
  return { retentionDays: read.retentionDays(), sources: read.sources(), addresses: read.addresses() };
}

/**
 * Where the servers are, for commands that need nothing else.
 *
 * @throws ConfigError with every problem found
 */
export function loadServersConfig(env: Environment): ServersConfig {
  const read = new Reader(env);
  const servers = readServers(read);
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return deepFreeze(servers);
}

/**
 * How the service reads the log, for commands that need nothing else.
 *
 * @throws ConfigError with every problem found
 */
export function loadLogConfig(env: Environment): LogConfig {
  const read = new Reader(env);
  const config = { nats: readNats(read), ...readLogReading(read) };
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return deepFreeze(config);
}

/**
 * What folding the log takes, for commands that need nothing else.
 *
 * @throws ConfigError with every problem found
 */
export function loadFoldConfig(env: Environment): FoldConfig {
  const read = new Reader(env);
  const config = { ...readServers(read), ...readLogReading(read), business: read.business() };
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return deepFreeze(config);
}

/**
 * What trying rules of alerts takes, for commands that need nothing else.
 *
 * @throws ConfigError with every problem found
 */
export function loadAlertsTrialConfig(env: Environment): AlertsTrialConfig {
  const read = new Reader(env);
  const config = {
    nats: readNats(read),
    retentionDays: read.retentionDays(),
    thresholds: read.thresholds(),
    sources: read.sources(),
    alerts: readRulesConfig(read),
  };
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return deepFreeze(config);
}

class Reader extends EnvReader {
  retentionDays(): number {
    return this.integer('METRICS_RETENTION_DAYS', 90, 1, 36_500);
  }

  thresholds(): Config['thresholds'] {
    return {
      errorRate: this.number('ALERT_THRESHOLD_ERROR_RATE', 0.05, 0, 1),
      responseTimeMs: this.number('ALERT_THRESHOLD_RESPONSE_TIME', 2000, 0, 1e9),
    };
  }

  sources(): readonly SourceEntry[] {
    return this.file('SOURCES_FILE', 'sources.yaml', loadSources, []);
  }

  addresses(): AddressRule {
    const kind = this.text('METRICS_IP_ADDRESSES', 'truncate').toLowerCase();
    const key = this.raw('METRICS_IP_HASH_KEY');
    if (kind === 'truncate' || kind === 'keep') return { kind };
    if (kind !== 'hash') this.problem('METRICS_IP_ADDRESSES', 'must be truncate, hash or keep');
    else if (key === undefined) this.problem('METRICS_IP_HASH_KEY', 'must be set where METRICS_IP_ADDRESSES is hash');
    else this.checkSecret('METRICS_IP_HASH_KEY', key, MIN_KEY_BYTES);
    return { kind: 'hash', key: key ?? '' };
  }

  business(): BusinessMapping {
    return this.file('BUSINESS_FILE', 'business.yaml', loadBusiness, NO_BUSINESS);
  }

  corsOrigins(): readonly string[] {
    const origins = this.list('CORS_ORIGINS', '');
    // As browsers send them. `*` would let every page in that somebody with a token opens.
    const areOrigins = origins.every((origin) => /^https?:/.test(origin) && originOf(origin) === origin);
    if (!areOrigins) this.problem('CORS_ORIGINS', 'must be a comma list of origins as https://dashboard.example.org');
    return origins;
  }

  logLevel(): string {
    const given = this.text('LOG_LEVEL', 'INFO').toLowerCase();
    const level = LEVEL_ALIASES[given] ?? given;
    if (PINO_LEVELS.includes(level)) return level;
    this.problem('LOG_LEVEL', 'must be DEBUG, INFO, WARNING, ERROR or CRITICAL');
    return 'info';
  }

  roles(): ReadonlySet<Role> {
    const names = this.list('ROLE', 'all');
    if (names.includes('all')) return new Set(ROLES);
    const known = names.flatMap((name) => ROLES.find((role) => role === name) ?? []);
    if (known.length !== names.length || known.length === 0) {
      this.problem('ROLE', `must be all, or a comma list of ${ROLES.join(', ')}`);
    }
    return new Set(known);
  }
}

function originOf(text: string): string | undefined {
  return URL.canParse(text) ? new URL(text).origin : undefined;
}

function deepFreeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) {
    // URL and Set keep their state inside, where freezing does not reach.
    if (typeof child === 'object' && child !== null && !(child instanceof Set)) deepFreeze(child);
  }
  return Object.freeze(value);
}
