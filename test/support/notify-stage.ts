import type { NatsConnection } from 'nats';
import { type AlertMessage, encodeAlert } from '../../src/alerts/alert.js';
import type { WorkerTimes } from '../../src/alerts/notify/channel-worker.js';
import type { Attention } from '../../src/alerts/notify/decide.js';
import { Notifiers } from '../../src/alerts/notify/notifiers.js';
import type { NotifiedRecord } from '../../src/alerts/notify/records.js';
import type { NoticeSender } from '../../src/alerts/notify/sender.js';
import type { ManagedServer } from '../../src/devservices/index.js';
import { ALERT_ACTIONS_STREAM, ALERT_SUBJECT } from '../../src/stream/streams.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { createServiceMetrics } from '../../src/telemetry/service-metrics.js';
import { openLog, type TestLog } from './log.js';
import { startTestNats, waitFor } from './servers.js';

/** Short, so that tests are. */
export const SHORT_TIMES: WorkerTimes = {
  groupMs: 200,
  settleMs: 50,
  listenMs: 20,
  standbyMs: 50,
  leaseMs: 3_000,
  firstBackoffMs: 20,
  maxBackoffMs: 200,
  giveUpAfterMs: 60_000,
};

/** What people say about alerts, as a test has them say it. */
export interface People extends Attention {
  silenced: boolean;
  acknowledged: boolean;
}

export interface NotifyStage {
  readonly nats: ManagedServer;
  readonly log: TestLog;
  readonly people: People;
  readonly logLines: string[];
  /** Rule → how often it is repeated, ms. */
  readonly repeats: Map<string, number>;
  /** One process that does alerts. */
  open(senders: readonly NoticeSender[], times?: Partial<WorkerTimes>): Promise<TestProcess>;
  publish(...alerts: readonly AlertMessage[]): Promise<void>;
  records(): Promise<NotifiedRecord[]>;
  close(): Promise<void>;
}

export interface TestProcess {
  readonly notifiers: Notifiers;
  readonly metrics: ReturnType<typeof createServiceMetrics>;
  readonly connection: NatsConnection;
  stop(): Promise<void>;
  /** As if the process were gone: nothing it does reaches NATS any more. */
  kill(): Promise<void>;
}

export async function openNotifyStage(): Promise<NotifyStage> {
  const nats = await startTestNats();
  const log = await openLog(nats.url);
  const logLines: string[] = [];
  const people: People = {
    silenced: false,
    acknowledged: false,
    isSilenced: () => people.silenced,
    isAcknowledged: () => people.acknowledged,
  };
  const repeats = new Map<string, number>();
  const opened = new Set<TestProcess>();
  const open: NotifyStage['open'] = async (senders, times = {}) => {
    const own = await openLog(nats.url);
    const metrics = createServiceMetrics();
    const notifiers = new Notifiers(senders, {
      ...own,
      replicas: 1,
      holder: `test:${opened.size}`,
      times: { ...SHORT_TIMES, ...times },
      attention: people,
      attentionReady: () => Promise.resolve(true),
      repeatMsOf: (rule) => repeats.get(rule),
      logger: createLogger('info', { write: (line) => void logLines.push(line) }),
      metrics,
      now: Date.now,
    });
    const process: TestProcess = {
      notifiers,
      metrics,
      connection: own.connection,
      stop: async () => {
        opened.delete(process);
        await notifiers.stop();
        await own.close();
      },
      kill: async () => {
        opened.delete(process);
        await own.close();
        await notifiers.stop();
      },
    };
    opened.add(process);
    notifiers.start();
    return process;
  };
  return {
    nats,
    log,
    people,
    logLines,
    repeats,
    open,
    publish: async (...alerts) => {
      const requests = alerts.map((alert) => ({ id: alert.id, subject: ALERT_SUBJECT, payload: encodeAlert(alert) }));
      const result = await log.appender.appendAll(requests);
      if (result.kind !== 'stored') throw new Error(`not published: ${result.reason}`);
    },
    records: async () => await readRecords(log),
    close: async () => {
      for (const process of opened) await process.stop();
      await log.close();
      await nats.stop();
    },
  };
}

async function readRecords({ manager }: TestLog): Promise<NotifiedRecord[]> {
  const { state } = await manager.streams.info(ALERT_ACTIONS_STREAM);
  const records: NotifiedRecord[] = [];
  for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq += 1) {
    const { data } = await manager.streams.getMessage(ALERT_ACTIONS_STREAM, { seq });
    records.push(JSON.parse(Buffer.from(data).toString()));
  }
  return records;
}

/** Waits until each of these channels has begun: what is published from then on is told. */
export async function begun(stage: NotifyStage, channels: readonly string[]): Promise<void> {
  await waitFor('the channels to begin', async () => {
    const records = await stage.records();
    return channels.every((channel) => records.some((record) => record.channel === channel)) ? true : undefined;
  });
}
