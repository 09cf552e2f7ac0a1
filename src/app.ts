import { CommandBus, EventBus } from '@nestjs/cqrs';
import { AlertPath, openBook, readRules, startAlerts } from './app/alerts.js';
import { composeModule } from './app/http.js';
import { beginAtZero } from './app/known-series.js';
import { startProjections } from './app/projections.js';
import { connectServers, openStores, openTables } from './app/servers.js';
import type { Config } from './config.js';
import { codecOf } from './events/codec.js';
import { JwtGuard } from './http/auth/jwt-guard.js';
import { RateLimiter } from './http/auth/rate-limiter.js';
import { TokenVerifier } from './http/auth/token-verifier.js';
import { addEventRoutes } from './http/event-routes.js';
import { BodyBudget, type ShedReason } from './http/overload.js';
import { createHttpServer } from './http/server.js';
import { Lifecycle } from './lifecycle.js';
import { APPENDER_DEFAULTS, Appender, type AppendResult } from './stream/append.js';
import type { Logger } from './telemetry/logger.js';
import { createServiceMetrics, type ServiceMetrics, withoutAlertMetrics } from './telemetry/service-metrics.js';

/** The service as it runs. */
export interface RunningApp {
  readonly port: number;
  /** Resolves if the service cannot go on by itself; it is then to be stopped and its process ended. */
  readonly failed: Promise<'failed'>;
  /** Reads the rules of alerts again; nothing in a process that does not evaluate them. */
  reload(): void;
  /** Answers what is in flight, commits what was read, and ends, within 10 s. */
  stop(): Promise<void>;
}

const QUERY_STORES = { name: 'queries', maxConnections: 8, redisTimeoutMs: 1_000 };
/** Dashboards may take seconds, and everybody may ask another one: they wait for each other, and nothing for them. */
const DASHBOARD_TABLES = { name: 'dashboards', maxConnections: 4 };

/**
 * The only composition: what exists and who gets what.
 *
 * @param signal calls the start off
 * @throws ConfigError where a configuration file is wrong, ServerUnreachable where NATS or Postgres is away for 30 s
 */
export async function startApp(
  config: Config,
  logger: Logger,
  signal: AbortSignal = new AbortController().signal,
): Promise<RunningApp> {
  const lifecycle = new Lifecycle(logger);
  try {
    return await start(config, logger, lifecycle, signal);
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

async function start(config: Config, logger: Logger, lifecycle: Lifecycle, signal: AbortSignal): Promise<RunningApp> {
  const { sources, business } = config;
  const codec = codecOf(config);
  const rules = readRules(config);
  const metrics = createServiceMetrics();
  beginAtZero(metrics, config.roles);
  const verifier = new TokenVerifier({ ...config.jwt, now: Date.now });
  await verifier.ready();

  const servers = await connectServers(
    config,
    logger,
    lifecycle,
    signal,
    sources.map(({ subject }) => subject),
  );
  const appender = new Appender(servers.connection, servers.watch, APPENDER_DEFAULTS, countAppends(metrics));
  lifecycle.onStop('appender', () => appender.close());
  const folds = config.roles.has('projector')
    ? await startProjections(config, { ...servers, appender, business, codec, metrics, logger, lifecycle })
    : undefined;

  const alertParts = { ...servers, codec, metrics, logger, lifecycle };
  const evaluates = config.roles.has('alerts');
  if (!evaluates) withoutAlertMetrics(metrics);
  const book = evaluates || config.roles.has('api') ? await openBook(alertParts) : undefined;
  const path = evaluates ? new AlertPath(alertParts) : undefined;

  const stores = openStores(config, logger, lifecycle, QUERY_STORES);
  const dashboardPool = openTables(config, logger, lifecycle, DASHBOARD_TABLES);
  const limits = config.http;
  const onShed = (reason: ShedReason): void => metrics.requestsShed.inc({ reason });
  const rates = new RateLimiter(limits.rateLimit);
  const bodies = new BodyBudget(limits.maxBatchBytes, onShed);
  const folded = { folds, business, book, path };
  const parts = { ...servers, ...stores, ...folded, dashboardPool, appender, metrics, logger };
  const module = composeModule(config, parts);
  const guard = new JwtGuard(verifier, config.jwt.enforceScopes, rates, onShed);
  const http = await createHttpServer(module, guard, logger, { corsOrigins: config.corsOrigins, limits, onShed });
  if (config.roles.has('api')) {
    const eventParts = { guard, rates, bodies, retentionDays: config.retentionDays, now: Date.now, logger };
    addEventRoutes(http.getHttpAdapter().getInstance(), { commandBus: http.get(CommandBus), ...eventParts });
  }
  lifecycle.onStop('http', () => http.close());
  await http.listen(config.port, config.host);
  const { port } = new URL(await http.getUrl());
  const alerts =
    book === undefined || path === undefined
      ? undefined
      : startAlerts(config, alertParts, { feed: book, path, rules, eventBus: http.get(EventBus) });
  logger.info({ port: Number(port), roles: [...config.roles] }, 'Listening');
  return { port: Number(port), failed: servers.failed, reload: () => alerts?.reload(), stop: () => lifecycle.stop() };
}

/** Dead letters are appended as well, so they count here, too. */
function countAppends({ eventsAppended, appendsRefused }: ServiceMetrics): (result: AppendResult) => void {
  return (result) => {
    if (result.kind === 'stored') eventsAppended.inc({ duplicate: String(result.duplicate) });
    else appendsRefused.inc({ reason: result.reason });
  };
}
