import { hostname } from 'node:os';
import type { EventBus } from '@nestjs/cqrs';
import { alertIdOf } from '../alerts/alert.js';
import { BookFeed } from '../alerts/book-feed.js';
import { AlertRunner } from '../alerts/live/alert-runner.js';
import { AlertSaga } from '../alerts/live/alert-saga.js';
import { PublishAlertHandler, PublishOutcomes } from '../alerts/live/publish-alert.js';
import { RulesFile } from '../alerts/live/rules-file.js';
import { TransitionPublisher } from '../alerts/live/transition-publisher.js';
import { needRules } from '../alerts/load-rules.js';
import { createSenders, Notifiers, WORKER_TIMES } from '../alerts/notify/notifiers.js';
import { type AlertRule, CHANNELS, type Channel } from '../alerts/rule.js';
import type { Config } from '../config.js';
import type { AlertsConfig } from '../config-alerts.js';
import type { CodecOptions } from '../events/codec.js';
import type { Lifecycle } from '../lifecycle.js';
import { APPENDER_DEFAULTS, Appender } from '../stream/append.js';
import type { Logger } from '../telemetry/logger.js';
import type { ServiceMetrics } from '../telemetry/service-metrics.js';
import type { Servers } from './servers.js';

export interface AlertParts extends Servers {
  readonly codec: CodecOptions;
  readonly metrics: ServiceMetrics;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
}

/** Longest wait for the book; past it the service answers by what it has read. */
const BOOK_TIMEOUT_MS = 5_000;

/** The rules that this process begins with; none where it does not evaluate. @throws ConfigError where the file is bad */
export function readRules(config: Config): readonly AlertRule[] {
  return config.roles.has('alerts') ? needRules(config.alerts.file) : [];
}

/** The book of alerts: what fires, and what was done about it. For processes that answer, or that evaluate. */
export async function openBook({ lifecycle, ...parts }: AlertParts): Promise<BookFeed> {
  const feed = new BookFeed(parts);
  feed.start();
  lifecycle.onStop('book of alerts', () => feed.stop());
  await upToDate(feed);
  return feed;
}

/** Waits until the book has what both streams have now; answers for each whether it has. */
function upToDate({ alerts, actions }: BookFeed): Promise<boolean[]> {
  return Promise.all([alerts.caughtUp(BOOK_TIMEOUT_MS), actions.caughtUp(BOOK_TIMEOUT_MS)]);
}

/** What turns transitions into messages on `metrics.alert`: a saga, and the handler of the command that it gives. */
export class AlertPath {
  readonly outcomes = new PublishOutcomes();
  readonly appender: Appender;
  readonly saga = AlertSaga;
  readonly handler: PublishAlertHandler;

  constructor({ connection, watch, lifecycle }: AlertParts) {
    // Apart from that of events: what is said about the service is not counted among what it was told.
    this.appender = new Appender(connection, watch, APPENDER_DEFAULTS);
    lifecycle.onStop('appender of alerts', () => this.appender.close());
    this.handler = new PublishAlertHandler(this.appender, this.outcomes);
  }
}

/** What runs in a process that evaluates. */
export interface RunningAlerts {
  /** Reads the file of rules again. */
  reload(): void;
}

/** Begins to evaluate. The bus is the one in which the path's saga is registered. */
export function startAlerts(
  config: Config,
  parts: AlertParts,
  { feed, path, rules, eventBus }: { feed: BookFeed; path: AlertPath; rules: readonly AlertRule[]; eventBus: EventBus },
): RunningAlerts {
  const { metrics, logger, lifecycle } = parts;
  const { errorRate, responseTimeMs } = config.thresholds;
  const runner = new AlertRunner({
    ...parts,
    appender: path.appender,
    feed,
    publisher: new TransitionPublisher({ eventBus, outcomes: path.outcomes, feed, metrics, logger }),
    rules,
    intervalMs: config.alerts.intervalSeconds * 1000,
    thresholds: { error_rate: errorRate, response_time: responseTimeMs },
    now: Date.now,
  });
  let present = rules;
  const onRules = (read: readonly AlertRule[]): void => {
    present = read;
    tellMissingChannels(read, config.alerts, metrics, logger);
    runner.useRules(read);
  };
  tellMissingChannels(rules, config.alerts, metrics, logger);
  startNotifiers(config, parts, { feed, path, rules: () => present });
  const file = new RulesFile({ file: config.alerts.file, onRules, metrics, logger });
  runner.start();
  lifecycle.onStop('alerts', () => runner.stop());
  file.start();
  lifecycle.onStop('rules of alerts', () => file.stop());
  return { reload: () => file.reload() };
}

/** Begins to tell people and other services what METRICS_ALERTS says. */
function startNotifiers(
  config: Config,
  { lifecycle, ...parts }: AlertParts,
  { feed, path, rules }: { feed: BookFeed; path: AlertPath; rules: () => readonly AlertRule[] },
): void {
  const externalUrl = config.alerts.externalUrl ?? `http://${hostname()}:${config.port}`;
  const senders = createSenders(config.alerts, { externalUrl, logger: parts.logger, now: Date.now });
  const notifiers = new Notifiers(senders, {
    ...parts,
    appender: path.appender,
    replicas: config.streamReplicas,
    holder: `${hostname()}:${process.pid}`,
    times: WORKER_TIMES,
    attention: {
      isSilenced: (alert, nowMs) => feed.book.silencesOf(alert, nowMs).length > 0,
      isAcknowledged: (alert) => feed.book.find(alertIdOf(alert))?.acknowledged !== undefined,
    },
    attentionReady: async () => (await upToDate(feed)).every((isReady) => isReady),
    repeatMsOf: (name) => rules().find((rule) => rule.name === name)?.repeatMs,
    now: Date.now,
  });
  notifiers.start();
  lifecycle.onStop('notifiers', () => notifiers.stop());
}

/** An alert whose channel is not configured is published all the same; only nobody is told. */
function tellMissingChannels(
  rules: readonly AlertRule[],
  alerts: AlertsConfig,
  { alertChannelMissing }: ServiceMetrics,
  logger: Logger,
): void {
  for (const channel of CHANNELS) {
    const naming = rules.filter(({ notification }) => notification.includes(channel)).map(({ name }) => name);
    const isMissing = alerts[channel] === undefined && naming.length > 0;
    alertChannelMissing.set({ channel }, isMissing ? naming.length : 0);
    if (isMissing) logger.warn({ channel, rules: naming.slice(0, 10) }, MISSING[channel]);
  }
}

const MISSING: Readonly<Record<Channel, string>> = {
  email: 'Rules name email, and SMTP_URL is not set',
  slack: 'Rules name slack, and SLACK_WEBHOOK_URL is not set',
  webhook: 'Rules name webhook, and ALERT_WEBHOOK_URL is not set',
};
