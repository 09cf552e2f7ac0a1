import type { Appender } from '../../stream/append.js';
import type { ConnectionWatch, JetStreamManager, NatsConnection } from '../../stream/connection.js';
import { parkNotice } from '../../stream/dead-notices.js';
import { StreamLease } from '../../stream/lease.js';
import { type FedMessage, FeedBroken, LogFeed } from '../../stream/log-feed.js';
import { readToEnd } from '../../stream/read-to-end.js';
import { ALERT_ACTION_SUBJECT, ALERT_ACTIONS_STREAM, ALERTS_STREAM } from '../../stream/streams.js';
import type { Logger } from '../../telemetry/logger.js';
import type { ServiceMetrics } from '../../telemetry/service-metrics.js';
import { decodeAlert } from '../alert.js';
import { type Batch, type BatchRules, ChannelState, recordOf } from './channel-state.js';
import { type Delivery, deliver, pause, type RetryTimes } from './deliver.js';
import { encodeRecord, type NotifiedRecord, parseRecord } from './records.js';
import type { NoticeSender, SendOutcome } from './sender.js';

export interface WorkerTimes extends RetryTimes {
  readonly groupMs: number;
  readonly settleMs: number;
  /** How long the log is listened to before repeats and groups are looked at again. */
  readonly listenMs: number;
  readonly leaseMs: number;
  /** Before a process without the lease asks for it again. */
  readonly standbyMs: number;
}

export interface WorkerParts extends Pick<BatchRules, 'attention' | 'repeatMsOf'> {
  /** Waits until all that people said so far is known to `attention`; answers whether it is. */
  readonly attentionReady: () => Promise<boolean>;
  readonly connection: NatsConnection;
  readonly watch: ConnectionWatch;
  readonly manager: JetStreamManager;
  readonly appender: Appender;
  readonly replicas: number;
  /** Names this process. */
  readonly holder: string;
  readonly times: WorkerTimes;
  readonly logger: Logger;
  readonly metrics: Pick<ServiceMetrics, 'notifications'>;
  readonly now: () => number;
}

const PULL_SIZE = 500;
const TAKE_MESSAGES = 200;
const RECORD_RETRY_MS = 1_000;
/** What to do about a reason, where its name does not say it. */
const HINTS: Readonly<Record<string, { readonly hint: string }>> = {
  address_refused: { hint: 'it is not public; ALERT_WEBHOOK_ALLOW_PRIVATE=true opens private networks' },
};

/**
 * Tells one channel what METRICS_ALERTS says, through the durable consumer `notify-<channel>`. Every process that does
 * alerts has such a worker; the one with the lease works, the others wait for it.
 *
 * States: standby → leading (folds the log and its own records, then lives on what comes) → standby, where the lease,
 * the feed or the connection is lost. Nothing is kept but in the log: who leads next folds the same.
 *
 * A batch is sent, then recorded, then acknowledged. Who dies in between sends again, under the same key.
 */
export class ChannelWorker {
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** Last reason that was told, so that an outage is told once. */
  #trouble = '';
  #isLeading = false;

  constructor(
    private readonly sender: NoticeSender,
    private readonly parts: WorkerParts,
  ) {}

  get isLeading(): boolean {
    return this.#isLeading;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Calls off what is under way; it will be sent again by who leads next. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.sender.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { watch, times } = this.parts;
    while (!signal.aborted) {
      // A call to a server that is away waits for its timeout, and a process that ends for the call.
      if (watch.connected) await this.#tryToLead();
      await pause(times.standbyMs, signal);
    }
  }

  async #tryToLead(): Promise<void> {
    const { connection, replicas, holder, times } = this.parts;
    try {
      const options = { leaseMs: times.leaseMs, replicas, holder };
      const lease = await StreamLease.tryAcquire(connection, this.#name, options);
      if (lease !== undefined) await this.#leadWith(lease);
    } catch (error) {
      this.#tellTrouble(error instanceof FeedBroken ? error.reason : 'jetstream_away', error);
    }
  }

  get #name(): string {
    return `notify-${this.sender.channel}`;
  }

  async #leadWith(lease: StreamLease): Promise<void> {
    try {
      this.#isLeading = true;
      await this.#lead(AbortSignal.any([this.#stopping.signal, lease.signal]), () => lease.lost);
    } finally {
      this.#isLeading = false;
      await lease.release();
    }
  }

  /** @param isLost asks the clock as well: a process that was stopped has timers that are late */
  async #lead(signal: AbortSignal, isLost: () => boolean): Promise<void> {
    const { connection, watch, manager, times } = this.parts;
    // Else an alert that is silenced would be told by a process that has not heard of it yet.
    if (!(await this.parts.attentionReady())) return;
    const { state, lastSequence } = await this.#remember(signal);
    const options = { stream: ALERTS_STREAM, durable: this.#name, afterSequence: 0, pullSize: PULL_SIZE };
    const feed = await LogFeed.open(connection, watch, manager, options);
    try {
      let reached = 0;
      let unacknowledged: FedMessage | undefined;
      while (!signal.aborted && !isLost()) {
        const taken = await feed.take(TAKE_MESSAGES, times.listenMs);
        for (const message of taken) takeMessage(state, message, this.parts.now());
        unacknowledged = taken.at(-1) ?? unacknowledged;
        reached = unacknowledged?.sequence ?? reached;
        if (unacknowledged !== undefined && state.pending === 0) {
          feed.ack(unacknowledged);
          unacknowledged = undefined;
        }
        // Nothing is decided before all that was there is known: what fires in the beginning may have resolved since.
        if (reached < lastSequence && taken.length > 0) continue;
        if (reached >= lastSequence) state.prune();
        const batch = state.nextBatch(this.parts.now());
        if (batch !== undefined && !isLost()) await this.#tell(batch, state, signal);
      }
    } finally {
      feed.close();
    }
  }

  /** Folds this channel's records. A channel without any begins at the end of the log. */
  async #remember(signal: AbortSignal): Promise<{ state: ChannelState; lastSequence: number }> {
    const { times, attention, repeatMsOf } = this.parts;
    const { channel } = this.sender;
    const records: NotifiedRecord[] = [];
    await readToEnd(this.parts, ALERT_ACTIONS_STREAM, ({ data }) => {
      const record = parseRecord(data, channel);
      if (record !== undefined) records.push(record);
    });
    const { lastSequence, madeAt } = await this.#log();
    const state = new ChannelState(channel, 0, { ...times, attention, repeatMsOf });
    for (const record of records) state.remember(record);
    if (state.position > lastSequence) {
      this.parts.logger.warn({ channel }, 'METRICS_ALERTS was made anew: its alerts are told from its beginning');
      await this.#begin(state, `start ${madeAt}`, 0, signal);
    } else if (records.length === 0) await this.#begin(state, 'start', lastSequence, signal);
    return { state, lastSequence };
  }

  /** What is behind this sequence is told. Recorded, so that who leads next does not begin once more. */
  async #begin(state: ChannelState, key: string, throughSequence: number, signal: AbortSignal): Promise<void> {
    const start: Batch = { notice: undefined, notTold: [], key, throughSequence, sinceMs: 0 };
    await this.#record(recordOf(this.sender.channel, start, 'started', '', this.parts.now()), state, signal);
  }

  async #log(): Promise<{ readonly lastSequence: number; readonly madeAt: string }> {
    const { state, created } = await this.parts.manager.streams.info(ALERTS_STREAM);
    return { lastSequence: state.last_seq, madeAt: String(created) };
  }

  async #tell(batch: Batch, state: ChannelState, signal: AbortSignal): Promise<void> {
    const { now, times, logger } = this.parts;
    const { sender } = this;
    const { channel } = sender;
    const { notice, notTold } = batch;
    const delivery: Delivery | undefined =
      notice &&
      (await deliver(notice, batch.sinceMs, {
        ...times,
        sender,
        signal,
        now,
        onTry: (outcome) => this.#onTry(outcome),
      }));
    if (delivery?.kind === 'interrupted') return;
    for (const { id, reason } of notTold) logger.info({ channel, id, reason }, 'An alert is not told');
    const tooOld = notTold.some(({ reason }) => reason === 'too_old');
    const reason = delivery?.kind === 'given_up' ? delivery.reason : tooOld ? 'too_old' : undefined;
    if (reason !== undefined && !(await this.#park(batch, reason, signal))) return;
    const outcome = delivery?.kind === 'given_up' ? 'dead_lettered' : delivery === undefined ? 'skipped' : 'sent';
    await this.#record(recordOf(channel, batch, outcome, reason ?? '', now()), state, signal);
  }

  /** @returns whether it lies there; else the batch is taken again by who leads next */
  async #park(batch: Batch, reason: string, signal: AbortSignal): Promise<boolean> {
    const { appender, logger, metrics, now } = this.parts;
    const { channel } = this.sender;
    const atMs = now();
    const { key, throughSequence, notice, notTold } = batch;
    const payload = Buffer.from(JSON.stringify({ channel, key, reason, told: notice?.told ?? [], not_told: notTold }));
    const isParked = await this.#persist(
      () => parkNotice(appender, { channel, key, reason, throughSequence, atMs, payload }),
      signal,
    );
    if (isParked) {
      metrics.notifications.inc({ channel, outcome: 'dead_lettered' });
      logger.error({ channel, key, reason }, 'A notice was given up and lies among the dead letters');
    }
    return isParked;
  }

  async #record(record: NotifiedRecord, state: ChannelState, signal: AbortSignal): Promise<void> {
    const { appender } = this.parts;
    const append = async (): Promise<boolean> =>
      (await appender.append(ALERT_ACTION_SUBJECT, encodeRecord(record), record.id)).kind === 'stored';
    if (await this.#persist(append, signal)) state.remember(record);
  }

  /** Tries until it is stored, or until somebody else is to do it. */
  async #persist(store: () => Promise<boolean>, signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      if (await store()) return true;
      this.#tellTrouble('not_recorded');
      await pause(RECORD_RETRY_MS, signal);
    }
    return false;
  }

  #onTry(outcome: SendOutcome): void {
    const { logger, metrics } = this.parts;
    const { channel } = this.sender;
    metrics.notifications.inc({ channel, outcome: outcome.kind === 'sent' ? 'sent' : 'failed' });
    if (outcome.kind !== 'sent') return this.#tellTrouble(outcome.reason);
    if (this.#trouble !== '') logger.info({ channel }, 'Notices get through again');
    this.#trouble = '';
  }

  /** Each trouble once, until it is over or is another. */
  #tellTrouble(reason: string, error?: unknown): void {
    if (reason === this.#trouble) return;
    this.#trouble = reason;
    const { channel } = this.sender;
    this.parts.logger.warn(
      { channel, reason, ...HINTS[reason], ...(error === undefined ? {} : { err: error }) },
      'Notices do not get through',
    );
  }
}

/** What is no alert of ours is passed over. */
function takeMessage(state: ChannelState, { data, sequence, storedAtMs }: FedMessage, nowMs: number): void {
  const alert = decodeAlert(data);
  if (alert !== undefined) state.take({ alert, sequence, storedAtMs }, nowMs);
}
