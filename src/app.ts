import { hostname } from 'node:os';
import { type DynamicModule, type FactoryProvider, Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import type { Redis } from 'ioredis';
import type { JetStreamManager, NatsConnection } from 'nats';
import type { Pool } from 'pg';
import { AppendBatchHandler } from './commands/append-batch.js';
import { AppendEventHandler } from './commands/append-event.js';
import type { Config } from './config.js';
import { type BusinessMapping, loadBusiness, loadSources } from './config-files.js';
import type { CodecOptions } from './events/codec.js';
import { matchSources } from './events/sources.js';
import { JwtGuard } from './http/auth/jwt-guard.js';
import { TokenVerifier } from './http/auth/token-verifier.js';
import { DocsController } from './http/docs-controller.js';
import { EventsController } from './http/events-controller.js';
import { HealthController } from './http/health-controller.js';
import { HttpContext } from './http/http-context.js';
import { MetricsController } from './http/metrics-controller.js';
import { PageController } from './http/page-controller.js';
import { PrometheusController } from './http/prometheus-controller.js';
import { createHttpServer } from './http/server.js';
import { Lifecycle } from './lifecycle.js';
import { PartitionKeeper } from './projections/partition-keeper.js';
import { Projector } from './projections/projector.js';
import { SessionLengthsWorker } from './projections/session-lengths.js';
import { SummaryWorker } from './projections/summary-worker.js';
import { CountsReader } from './queries/counts-reader.js';
import { DashboardSource } from './queries/dashboard-source.js';
import { GetDashboardHandler } from './queries/get-dashboard.js';
import { GetPrometheusHandler } from './queries/get-prometheus.js';
import { GetServicesHealthHandler } from './queries/get-services-health.js';
import { GetStatusHandler, type ReportedState } from './queries/get-status.js';
import { GetSummaryHandler } from './queries/get-summary.js';
import { PostgresSource } from './queries/postgres-source.js';
import { RedisSource } from './queries/redis-source.js';
import { SessionAverages } from './queries/session-averages.js';
import type { FiringAlertsReader } from './queries/summary.js';
import { SummaryLag } from './queries/summary-lag.js';
import { migrate } from './store/orm.js';
import { Partitions } from './store/partitions.js';
import { openPool } from './store/postgres.js';
import { openRedis } from './store/redis.js';
import { Appender } from './stream/append.js';
import { ConnectionWatch, connectNats } from './stream/connection.js';
import { describeStreams, storedAtMs } from './stream/describe-streams.js';
import { ensureStreams } from './stream/streams.js';
import type { Logger } from './telemetry/logger.js';
import { createServiceMetrics, type ServiceMetrics } from './telemetry/service-metrics.js';
import { waitForServer } from './wait-for-server.js';

/** The service as it runs. */
export interface RunningApp {
  readonly port: number;
  /** Resolves if the service cannot go on by itself; it is then to be stopped and its process ended. */
  readonly failed: Promise<'failed'>;
  /** Answers what is in flight, commits what was read, and ends, within 10 s. */
  stop(): Promise<void>;
}

/** No rules are evaluated yet, so nothing fires. */
const NO_ALERTS: FiringAlertsReader = () => Promise.resolve([]);
const QUERY_CONNECTIONS = 8;
const PROJECTION_CONNECTIONS = 4;
const QUERY_REDIS_TIMEOUT_MS = 1_000;
/** A rebuild's deltas are large. */
const PROJECTION_REDIS_TIMEOUT_MS = 10_000;

/**
 * The only composition: what exists and who gets what.
 *
 * @throws ConfigError where a configuration file is wrong, ServerUnreachable where NATS or Postgres is away for 30 s
 */
export async function startApp(config: Config, logger: Logger): Promise<RunningApp> {
  const lifecycle = new Lifecycle(logger);
  try {
    return await start(config, logger, lifecycle);
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

@Module({})
class AppModule {}

async function start(config: Config, logger: Logger, lifecycle: Lifecycle): Promise<RunningApp> {
  const sources = loadSources(config.sourcesFile);
  const business = loadBusiness(config.businessFile);
  const codec: CodecOptions = { retentionDays: config.retentionDays, matchSource: matchSources(sources) };
  const metrics = createServiceMetrics();
  const verifier = new TokenVerifier({ ...config.jwt, now: Date.now });
  await verifier.ready();

  const servers = await connectServers(
    config,
    logger,
    lifecycle,
    sources.map(({ subject }) => subject),
  );
  const appender = new Appender(servers.connection, servers.watch);
  lifecycle.onStop('appender', () => appender.close());
  const folds = config.roles.has('projector')
    ? await startProjections(config, { ...servers, appender, business, codec, metrics, logger, lifecycle })
    : undefined;

  const queryPool = openPool({
    databaseUrl: config.databaseUrl,
    maxConnections: QUERY_CONNECTIONS,
    applicationName: 'metrics-service queries',
    onError: (error) => logger.warn({ reason: error.message }, 'A connection to Postgres broke'),
  });
  lifecycle.onStop('query pool', () => queryPool.end());
  const queryRedis = openRedis(config.redis, QUERY_REDIS_TIMEOUT_MS, logRedisTrouble(logger));
  lifecycle.onStop('query redis', () => queryRedis.disconnect());

  const module = composeModule(config, {
    ...servers,
    appender,
    metrics,
    queryPool,
    queryRedis,
    folds,
    business,
    logger,
  });
  const http = await createHttpServer(module, new JwtGuard(verifier, config.jwt.enforceScopes), logger);
  lifecycle.onStop('http', () => http.close());
  await http.listen(config.port, config.host);
  const { port } = new URL(await http.getUrl());
  logger.info({ port: Number(port), roles: [...config.roles] }, 'Listening');
  return { port: Number(port), failed: servers.failed, stop: () => lifecycle.stop() };
}

/** Says once what is wrong with Redis, not at each try to come back. */
function logRedisTrouble(logger: Logger): (error: Error) => void {
  let told = '';
  return ({ message }) => {
    if (message !== told) logger.warn({ reason: message }, 'Redis is away');
    told = message;
  };
}

interface Servers {
  readonly connection: NatsConnection;
  readonly watch: ConnectionWatch;
  readonly manager: JetStreamManager;
  /** Resolves if the connection to NATS is closed for good although nobody asked for it. */
  readonly failed: Promise<'failed'>;
}

/** Connects to NATS and prepares streams and schema. Redis is not waited for: everything works without it. */
async function connectServers(
  config: Config,
  logger: Logger,
  lifecycle: Lifecycle,
  foreignSubjects: readonly string[],
): Promise<Servers> {
  const [connection] = await Promise.all([
    waitForServer('NATS', logger, () => connectNats(config.nats, 'metrics-service')),
    waitForServer('Postgres', logger, () => migrate(config.databaseUrl)),
  ]);
  let stopping = false;
  lifecycle.onStop('nats', async () => {
    stopping = true;
    await connection.drain();
  });
  const failed = new Promise<'failed'>((resolve) => {
    void connection.closed().then((error) => {
      if (stopping) return;
      logger.fatal({ err: error }, 'The connection to NATS is closed for good');
      resolve('failed');
    });
  });
  const manager = await waitForServer('JetStream', logger, () => connection.jetstreamManager());
  const { retentionDays, dedupWindowSeconds, streamReplicas: replicas } = config;
  const settings = { retentionDays, dedupWindowSeconds, replicas, maxBytes: 0, foreignSubjects };
  for (const difference of await ensureStreams(manager, settings)) {
    logger.warn(difference, 'A stream differs from the configuration and may not be changed');
  }
  return { connection, watch: new ConnectionWatch(connection), manager, failed };
}

interface ProjectionParts extends Servers {
  readonly appender: Appender;
  readonly business: BusinessMapping;
  readonly codec: CodecOptions;
  readonly metrics: ServiceMetrics;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
}

interface Folds {
  readonly projector: Projector;
  readonly summaries: SummaryWorker;
}

/** Everything that writes the tables and the summaries. */
async function startProjections(config: Config, parts: ProjectionParts): Promise<Folds> {
  const { business, metrics, logger, lifecycle } = parts;
  const { databaseUrl, retentionDays } = config;
  const pool = openPool({
    databaseUrl,
    maxConnections: PROJECTION_CONNECTIONS,
    applicationName: 'metrics-service projections',
    onError: (error) => logger.warn({ reason: error.message }, 'A connection to Postgres broke'),
  });
  lifecycle.onStop('projection pool', () => pool.end());
  const redis = openRedis(config.redis, PROJECTION_REDIS_TIMEOUT_MS, logRedisTrouble(logger));
  lifecycle.onStop('projection redis', () => redis.disconnect());

  const partitions = new Partitions(pool);
  const keeper = new PartitionKeeper(partitions, logger, Date.now);
  await keeper.start();
  lifecycle.onStop('partitions', () => keeper.stop());

  const holder = `${hostname()}:${process.pid}`;
  const summaries = new SummaryWorker({ pool, redis, databaseUrl, business, retentionDays, logger, metrics });
  summaries.start();
  lifecycle.onStop('summaries', () => summaries.stop());

  const sessions = new SessionLengthsWorker({
    pool,
    redis,
    intervalSeconds: config.aggregationIntervalSeconds,
    logger,
    now: Date.now,
  });
  sessions.start();
  lifecycle.onStop('session lengths', () => sessions.stop());

  const projector = new Projector({
    ...parts,
    pool,
    partitions,
    databaseUrl,
    holder,
    onCommit: () => summaries.wake(),
  });
  projector.start();
  lifecycle.onStop('projector', () => projector.stop());
  return { projector, summaries };
}

interface HttpParts extends Servers {
  readonly appender: Appender;
  readonly metrics: ServiceMetrics;
  readonly queryPool: Pool;
  readonly queryRedis: Redis;
  readonly folds: Folds | undefined;
  readonly business: BusinessMapping;
  readonly logger: Logger;
}

/** The one module of Nest: buses, handlers and controllers, each listed. Other roles than `api` answer how they are. */
function composeModule(config: Config, parts: HttpParts): DynamicModule {
  const isApi = config.roles.has('api');
  const context = new HttpContext(config.retentionDays, config.prometheusToken, parts.metrics, Date.now);
  return {
    module: AppModule,
    imports: [CqrsModule.forRoot()],
    controllers: [
      HealthController,
      PrometheusController,
      ...(isApi ? [EventsController, MetricsController, DocsController, PageController] : []),
    ],
    providers: [
      { provide: HttpContext, useValue: context },
      ...[...commandHandlers(parts), ...queryHandlers(config, parts)].map(provideInstance),
    ],
  };
}

/** Nest takes a handler that exists already from a factory only. */
function provideInstance(handler: object): FactoryProvider {
  return { provide: handler.constructor, useFactory: () => handler, inject: [] };
}

function commandHandlers({ appender }: HttpParts): object[] {
  return [new AppendEventHandler(appender), new AppendBatchHandler(appender)];
}

function queryHandlers(
  config: Config,
  { queryPool, queryRedis, folds, business, manager, logger }: HttpParts,
): object[] {
  const { thresholds, aggregationIntervalSeconds: intervalSeconds } = config;
  const limits = { ...thresholds, intervalSeconds };
  const reader = new CountsReader({
    redis: new RedisSource(queryRedis, new SummaryLag(queryPool, Date.now)),
    postgres: new PostgresSource(queryPool, business),
    now: Date.now,
    onFallback: (reason) => logger.warn({ reason }, 'Answers come from Postgres now'),
  });
  const sessions = new SessionAverages(queryRedis, queryPool, intervalSeconds);
  const reported = (): { tables?: ReportedState; summaries?: ReportedState } =>
    folds === undefined ? {} : { tables: folds.projector.state, summaries: folds.summaries.state };
  return [
    new GetSummaryHandler(reader, sessions, limits, NO_ALERTS, Date.now),
    new GetServicesHealthHandler(reader, limits, Date.now),
    new GetDashboardHandler(reader, new DashboardSource(queryPool, business), limits, NO_ALERTS, Date.now),
    new GetPrometheusHandler(reader, NO_ALERTS, Date.now),
    new GetStatusHandler({
      pool: queryPool,
      redis: queryRedis,
      streams: () => describeStreams(manager),
      storedAtMs: (sequence) => storedAtMs(manager, sequence),
      reported,
      now: Date.now,
    }),
  ];
}
