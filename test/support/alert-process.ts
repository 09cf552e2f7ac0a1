import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CqrsModule, EventBus } from '@nestjs/cqrs';
import { pino } from 'pino';
import { type AlertMessage, decodeAlert } from '../../src/alerts/alert.js';
import { AlertEngine } from '../../src/alerts/alert-engine.js';
import { BookFeed } from '../../src/alerts/book-feed.js';
import type { Transition } from '../../src/alerts/evaluate.js';
import { AlertRunner } from '../../src/alerts/live/alert-runner.js';
import { AlertSaga } from '../../src/alerts/live/alert-saga.js';
import { PublishAlertHandler, PublishOutcomes } from '../../src/alerts/live/publish-alert.js';
import { type PublisherWaits, TransitionPublisher } from '../../src/alerts/live/transition-publisher.js';
import { parseRules } from '../../src/alerts/parse-rules.js';
import type { AlertRule } from '../../src/alerts/rule.js';
import { decodeMessage } from '../../src/events/codec.js';
import { Appender, type AppendResult } from '../../src/stream/append.js';
import { readMessage } from '../../src/stream/read-message.js';
import { ALERTS_STREAM, EVENTS_STREAM, findStream } from '../../src/stream/streams.js';
import { createServiceMetrics } from '../../src/telemetry/service-metrics.js';
import type { TestLog } from './log.js';

export const THRESHOLDS = { error_rate: 0.05, response_time: 2_000 };
export const CODEC = { retentionDays: 90, matchSource: () => undefined };
export const INTERVAL_MS = 1_000;
const QUICK: PublisherWaits = { outcomeMs: 300, minRetryMs: 5, maxRetryMs: 50, bookMs: 5_000 };

export function rulesOf(yaml: string): readonly AlertRule[] {
  const outcome = parseRules(yaml);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  return outcome.rules;
}

@Module({})
class PathModule {}

/** Where a test makes something fail: what it throws is thrown there. */
export interface AlertFaults {
  /** Before a message is sent; what it answers stands for JetStream's answer. */
  beforeAppend?(subject: string): Promise<AppendResult | undefined> | AppendResult | undefined;
  /** After JetStream has stored it: the acknowledgement may get lost. */
  afterAppend?(subject: string, result: AppendResult): Promise<AppendResult> | AppendResult;
  /** When an event is put on the bus. */
  beforeEvent?(): void;
  /** When the command is executed. */
  beforeCommand?(): void;
}

/** What evaluates alerts in the service, in this process: its own book, bus, saga and runner. */
export class AlertProcess {
  readonly metrics = createServiceMetrics();
  readonly feed: BookFeed;
  #runner: AlertRunner | undefined;
  #nest: INestApplicationContext | undefined;

  constructor(
    private readonly log: TestLog,
    private readonly faults: AlertFaults = {},
  ) {
    this.feed = new BookFeed({ ...log, logger: pino({ level: 'silent' }) });
  }

  async start(rules: readonly AlertRule[], intervalMs = INTERVAL_MS): Promise<void> {
    const logger = pino({ level: process.env.METRICS_TEST_LOG_LEVEL ?? 'silent' });
    const appender = faultyAppender(this.log.appender, this.faults);
    const outcomes = new PublishOutcomes();
    const handler = new PublishAlertHandler(appender, outcomes);
    const { beforeCommand } = this.faults;
    if (beforeCommand !== undefined) {
      const execute = handler.execute.bind(handler);
      handler.execute = async (command) => {
        beforeCommand();
        await execute(command);
      };
    }
    this.#nest = await NestFactory.createApplicationContext(
      {
        module: PathModule,
        imports: [CqrsModule.forRoot()],
        providers: [AlertSaga, { provide: PublishAlertHandler, useFactory: () => handler, inject: [] }],
      },
      { logger: false },
    );
    await this.#nest.init();
    const bus = this.#nest.get(EventBus);
    const eventBus: Pick<EventBus, 'publish'> = {
      publish: (event: object) => {
        this.faults.beforeEvent?.();
        return bus.publish(event);
      },
    };
    this.feed.start();
    const publisher = new TransitionPublisher({ ...this, eventBus, outcomes, logger, waits: QUICK });
    this.#runner = new AlertRunner({
      ...this.log,
      appender,
      feed: this.feed,
      publisher,
      codec: CODEC,
      rules,
      intervalMs,
      thresholds: THRESHOLDS,
      metrics: this.metrics,
      logger,
      now: Date.now,
    });
    this.#runner.start();
  }

  useRules(rules: readonly AlertRule[]): void {
    this.#runner?.useRules(rules);
  }

  async stop(): Promise<void> {
    await this.#runner?.stop();
    await this.feed.stop();
    await this.#nest?.close();
  }
}

function faultyAppender(appender: Appender, { beforeAppend, afterAppend }: AlertFaults): Appender {
  return new Proxy(appender, {
    get: (target, name) => {
      if (name !== 'append') {
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      }
      return async (...args: Parameters<Appender['append']>): Promise<AppendResult> => {
        const answered = await beforeAppend?.(args[0]);
        if (answered !== undefined) return answered;
        const result = await target.append(...args);
        return (await afterAppend?.(args[0], result)) ?? result;
      };
    },
  });
}

/** Everything on METRICS_ALERTS, in its order. */
export async function publishedAlerts({ manager }: TestLog): Promise<AlertMessage[]> {
  const found: AlertMessage[] = [];
  const last = (await findStream(manager, ALERTS_STREAM))?.state.last_seq ?? 0;
  for (let sequence = 1; sequence <= last; sequence += 1) {
    const message = await readMessage(manager, ALERTS_STREAM, sequence);
    const alert = message === undefined ? undefined : decodeAlert(message.data);
    if (alert !== undefined) found.push(alert);
  }
  return found;
}

/** What a fresh engine makes of the log that is there: firing and resolved up to a time. */
export async function transitionsOfLog(
  { manager }: TestLog,
  rules: readonly AlertRule[],
  range: { readonly fromMs: number; readonly toMs: number },
  intervalMs = INTERVAL_MS,
): Promise<string[]> {
  const closedUntilMs = Math.floor(range.fromMs / intervalMs) * intervalMs;
  const engine = new AlertEngine({ rules, intervalMs, thresholds: THRESHOLDS, closedUntilMs });
  const found: Transition[] = [];
  const last = (await findStream(manager, EVENTS_STREAM))?.state.last_seq ?? 0;
  for (let sequence = 1; sequence <= last; sequence += 1) {
    const message = await readMessage(manager, EVENTS_STREAM, sequence);
    const event = message === undefined ? undefined : decodeMessage(message, CODEC);
    if (message !== undefined && event?.ok === true) found.push(...engine.take(event.value, message.storedAtMs));
  }
  found.push(...engine.advance(range.toMs + 60_000));
  return found
    .filter(({ to, atMs }) => (to === 'firing' || to === 'resolved') && atMs <= range.toMs)
    .map(({ rule, service, to, startsAtMs, atMs, value }) =>
      described(rule.name, service, to, new Date(startsAtMs).toISOString(), new Date(atMs).toISOString(), value),
    );
}

/** A published transition in the words of `transitionsOfLog`. */
export function describedAlert({ name, labels, status, starts_at, evaluated_at, value }: AlertMessage): string {
  return described(name, labels.service_name, status, starts_at, evaluated_at, value);
}

function described(
  rule: string,
  service: string | undefined,
  to: string,
  startsAt: string,
  at: string,
  value: number | null,
): string {
  return `${at} ${rule} ${service ?? '-'} ${to} since ${startsAt} ${value}`;
}
