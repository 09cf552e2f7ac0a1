import { type DynamicModule, type FactoryProvider, Module } from '@nestjs/common';
import { CqrsModule, QueryBus } from '@nestjs/cqrs';
import type { Pool } from 'pg';
import type { BookFeed } from '../alerts/book-feed.js';
import { AcknowledgeAlertHandler } from '../commands/acknowledge-alert.js';
import { AppendBatchHandler } from '../commands/append-batch.js';
import { AppendEventHandler } from '../commands/append-event.js';
import { EndSilenceHandler } from '../commands/end-silence.js';
import { SilenceAlertsHandler } from '../commands/silence-alerts.js';
import type { Config } from '../config.js';
import type { BusinessMapping } from '../config-files.js';
import { concealAddresses } from '../events/addresses.js';
import { AlertsController } from '../http/alerts-controller.js';
import { DocsController } from '../http/docs/docs-controller.js';
import { HealthController } from '../http/health-controller.js';
import { HttpContext } from '../http/http-context.js';
import { MetricsController } from '../http/metrics-controller.js';
import { PageController } from '../http/page-controller.js';
import { PrometheusController } from '../http/prometheus-controller.js';
import { StreamController } from '../http/stream/stream-controller.js';
import { SummaryStreams } from '../http/stream/summary-streams.js';
import { CountsReader } from '../queries/counts-reader.js';
import { DashboardSource } from '../queries/dashboard-source.js';
import { GetAlertsHandler, GetSilencesHandler } from '../queries/get-alerts.js';
import { GetDashboardHandler } from '../queries/get-dashboard.js';
import { GetPrometheusHandler } from '../queries/get-prometheus.js';
import { GetServicesHealthHandler } from '../queries/get-services-health.js';
import { GetStatusHandler, type ProjectionName, type ReportedState } from '../queries/get-status.js';
import { GetSummary, GetSummaryHandler } from '../queries/get-summary.js';
import { PostgresSource } from '../queries/postgres-source.js';
import { REDIS_REST, RedisSource } from '../queries/redis-source.js';
import { SessionReader } from '../queries/session-reader.js';
import type { FiringAlertsReader } from '../queries/summary.js';
import { SummaryLag } from '../queries/summary-lag.js';
import type { Appender } from '../stream/append.js';
import { describeStreams, storedAtMs } from '../stream/describe-streams.js';
import { EVENTS_STREAM } from '../stream/streams.js';
import type { Logger } from '../telemetry/logger.js';
import type { ServiceMetrics } from '../telemetry/service-metrics.js';
import { alertLookup, alertsReader, firingReader } from './alert-readers.js';
import type { AlertPath } from './alerts.js';
import type { Folds } from './projections.js';
import type { Servers, Stores } from './servers.js';

/** For processes that are asked nothing. */
const NO_ALERTS: FiringAlertsReader = () => NOTHING_FIRES;
const NOTHING_FIRES = Promise.resolve([]);

@Module({})
class AppModule {}

export interface HttpParts extends Servers, Stores {
  readonly dashboardPool: Pool;
  readonly appender: Appender;
  readonly metrics: ServiceMetrics;
  readonly folds: Folds | undefined;
  readonly business: BusinessMapping;
  /** Where alerts are shown, or evaluated. */
  readonly book: BookFeed | undefined;
  /** Where alerts are evaluated. */
  readonly path: AlertPath | undefined;
  readonly logger: Logger;
}

/** The one module of Nest: buses, handlers and controllers, each listed. Other roles than `api` answer how they are. */
export function composeModule(config: Config, parts: HttpParts): DynamicModule {
  const isApi = config.roles.has('api');
  const context = new HttpContext(config.retentionDays, config.prometheusToken, parts.metrics, Date.now);
  return {
    module: AppModule,
    imports: [CqrsModule.forRoot()],
    controllers: [
      HealthController,
      PrometheusController,
      ...(isApi ? [MetricsController, AlertsController, StreamController, PageController] : []),
      ...(isApi && config.docsEnabled ? [DocsController] : []),
    ],
    providers: [
      { provide: HttpContext, useValue: context },
      provideStreams(parts.logger),
      // As a class, because Nest finds a saga by that alone.
      ...(parts.path === undefined ? [] : [parts.path.saga]),
      ...[...commandHandlers(config, parts), ...queryHandlers(config, parts)].map(provideInstance),
    ],
  };
}

/** Nest takes a handler that exists already from a factory only. */
function provideInstance(handler: object): FactoryProvider {
  return { provide: handler.constructor, useFactory: () => handler, inject: [] };
}

function provideStreams(logger: Logger): FactoryProvider {
  return {
    provide: SummaryStreams,
    useFactory: (queryBus: QueryBus) =>
      new SummaryStreams((window) => queryBus.execute(new GetSummary(window)), logger),
    inject: [QueryBus],
  };
}

function commandHandlers({ addresses }: Config, { appender, book, path }: HttpParts): object[] {
  const conceal = concealAddresses(addresses);
  const lookup = book === undefined ? undefined : alertLookup(book, Date.now);
  return [
    new AppendEventHandler(appender, conceal),
    new AppendBatchHandler(appender, conceal),
    ...(path === undefined ? [] : [path.handler]),
    ...(lookup === undefined
      ? []
      : [
          new AcknowledgeAlertHandler(appender, lookup),
          new SilenceAlertsHandler(appender, lookup),
          new EndSilenceHandler(appender, lookup),
        ]),
  ];
}

function queryHandlers(config: Config, parts: HttpParts): object[] {
  const { pool, dashboardPool, redis, folds, business, manager, book, logger } = parts;
  const { thresholds, aggregationIntervalSeconds: intervalSeconds, retentionDays } = config;
  const limits = { ...thresholds, intervalSeconds };
  const reader = new CountsReader({
    redis: new RedisSource(redis, new SummaryLag(pool, Date.now), retentionDays, REDIS_REST),
    postgres: new PostgresSource(pool, business, retentionDays),
    now: Date.now,
    // Not a warning: what is wrong with Redis is told where it is noticed, and at a first start nothing is.
    onFallback: (reason) => logger.info({ reason }, 'Answers come from Postgres now'),
  });
  const sessions = new SessionReader(pool);
  const reported = (): Partial<Record<ProjectionName, ReportedState>> =>
    folds === undefined
      ? {}
      : { tables: folds.projector.state, summaries: folds.summaries.state, sessions: folds.sessions.state };
  const firing = book === undefined ? NO_ALERTS : firingReader(book);
  const alerts = book === undefined ? undefined : alertsReader(book);
  return [
    ...(alerts === undefined ? [] : [new GetAlertsHandler(alerts, Date.now), new GetSilencesHandler(alerts, Date.now)]),
    new GetSummaryHandler(reader, sessions, limits, firing, Date.now),
    new GetServicesHealthHandler(reader, limits, Date.now),
    new GetDashboardHandler(reader, new DashboardSource(dashboardPool, business), limits, firing, Date.now),
    new GetPrometheusHandler(reader, firing, Date.now),
    new GetStatusHandler({
      pool,
      redis,
      logStream: EVENTS_STREAM,
      streams: () => describeStreams(manager),
      storedAtMs: (sequence) => storedAtMs(manager, sequence),
      reported,
      now: Date.now,
    }),
  ];
}
