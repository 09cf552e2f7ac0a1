import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Seconds; from a commit of a few rows to a large batch. */
const DURATION_BOUNDS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Gauges of prom-client whose names end as counters' do, which promtool refuses; the same by type remain. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/**
 * Every metric that the service keeps about itself, in one place. What it says about the platform is folded from the
 * log and rendered by src/queries.
 */
export function createServiceMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  return {
    registry,
    eventsAppended: new Counter({
      name: 'metrics_service_events_appended_total',
      help: 'Events that JetStream acknowledged to this process, by whether it knew their id already',
      labelNames: ['duplicate'] as const,
      registers,
    }),
    appendsRefused: new Counter({
      name: 'metrics_service_appends_refused_total',
      help: 'Events that could not be appended, by reason',
      labelNames: ['reason'] as const,
      registers,
    }),
    requestsShed: new Counter({
      name: 'metrics_service_requests_shed_total',
      help: 'Requests that were not answered for want of time or room, or past the rate of their bearer, by reason',
      labelNames: ['reason'] as const,
      registers,
    }),
    eventsRefused: new Counter({
      name: 'metrics_service_events_refused_total',
      help: 'Events of the log that were parked as dead letters, by reason',
      labelNames: ['reason'] as const,
      registers,
    }),
    rowsProjected: new Counter({
      name: 'metrics_service_rows_projected_total',
      help: 'Rows that the projector inserted',
      registers,
    }),
    duplicatesDropped: new Counter({
      name: 'metrics_service_duplicates_dropped_total',
      help: 'Events that were in the tables already',
      registers,
    }),
    commitDuration: new Histogram({
      name: 'metrics_service_commit_duration_seconds',
      help: "Duration of a batch's transaction in Postgres",
      buckets: DURATION_BOUNDS_S,
      registers,
    }),
    projectionFailures: new Counter({
      name: 'metrics_service_projection_failures_total',
      help: 'Attempts of a projection that failed and were tried again, by reason',
      labelNames: ['projection', 'reason'] as const,
      registers,
    }),
    platformReadable: new Gauge({
      name: 'metrics_service_platform_readable',
      help: 'Whether the last scrape contained the metrics of the platform (1), or neither Redis nor Postgres answered (0)',
      registers,
    }),
    summaryRebuilds: new Counter({
      name: 'metrics_service_rebuilds_total',
      help: 'Times that the summaries in Redis were rebuilt from Postgres, by reason',
      labelNames: ['reason'] as const,
      registers,
    }),
    notifications: new Counter({
      name: 'metrics_service_notifications_total',
      help: 'Tries to tell a channel of alerts, by outcome; a notice that is given up counts as dead_lettered, too',
      labelNames: ['channel', 'outcome'] as const,
      registers,
    }),
    ...projectionMetrics(registers),
    ...alertMetrics(registers),
  };
}

/** How far the projections are, as `metrics status` tells: set at each scrape, and the same in every process. */
function projectionMetrics(registers: Registry[]) {
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `metrics_service_projection_${name}`, help, labelNames: ['projection'] as const, registers });
  return {
    projectionPosition: gauge('position', 'Sequence of the last event that a projection contains'),
    projectionLagEvents: gauge('lag_events', 'Events of the log that a projection does not contain yet'),
    projectionLagSeconds: gauge('lag_seconds', 'Age of the oldest event that a projection does not contain yet'),
    projectionRate: gauge('events_per_second', 'How fast a projection moves: over a minute, or since the last scrape'),
    projectionEpoch: gauge('epoch', 'Number of the leader of a projection; each new one has the next'),
  };
}

const ALERT_METRIC = /^metrics_service_alert_/;

/** Takes away what a process that evaluates no alerts would tell as 0, as if something were wrong. */
export function withoutAlertMetrics({ registry }: ServiceMetrics): void {
  for (const { name } of registry.getMetricsAsArray()) {
    if (ALERT_METRIC.test(name)) registry.removeSingleMetric(name);
  }
}

/** What the evaluation of alerts says of itself. */
function alertMetrics(registers: Registry[]) {
  return {
    alertEvaluations: new Counter({
      name: 'metrics_service_alert_evaluations_total',
      help: 'Intervals at whose end the rules of alerts were evaluated',
      registers,
    }),
    alertEvaluationDuration: new Histogram({
      name: 'metrics_service_alert_evaluation_duration_seconds',
      help: 'Duration of one evaluation of all rules of alerts',
      buckets: DURATION_BOUNDS_S,
      registers,
    }),
    alertEvaluatedUntil: new Gauge({
      name: 'metrics_service_alert_evaluated_until_seconds',
      help: 'End of the last interval that was evaluated, in seconds since 1970',
      registers,
    }),
    alertLateEvents: new Counter({
      name: 'metrics_service_alert_late_events_total',
      help: 'Events that were stored too late to count for alerts',
      registers,
    }),
    alertTransitions: new Counter({
      name: 'metrics_service_alert_transitions_total',
      help: 'Alerts that this process published, by whether they began to fire or resolved',
      labelNames: ['status'] as const,
      registers,
    }),
    alertPublishRetries: new Counter({
      name: 'metrics_service_alert_publish_retries_total',
      help: 'Attempts to publish an alert that ended without an acknowledgement, by reason',
      labelNames: ['reason'] as const,
      registers,
    }),
    alertSessionsBroken: new Counter({
      name: 'metrics_service_alert_sessions_broken_total',
      help: 'Times that the evaluation of alerts broke and began again where everything was published',
      registers,
    }),
    alertClockAhead: new Counter({
      name: 'metrics_service_alert_clock_ahead_total',
      help: 'Events that were stored before a time that this process had thought to be over: clocks differ by 2 s or more',
      registers,
    }),
    alertConfigValid: new Gauge({
      name: 'metrics_service_alert_config_valid',
      help: 'Whether the file of rules could be read the last time (1), or the old rules stay (0)',
      registers,
    }),
    alertChannelMissing: new Gauge({
      name: 'metrics_service_alert_channel_missing',
      help: 'Rules that name a channel that is not configured, by channel',
      labelNames: ['channel'] as const,
      registers,
    }),
  };
}

export type ServiceMetrics = ReturnType<typeof createServiceMetrics>;
