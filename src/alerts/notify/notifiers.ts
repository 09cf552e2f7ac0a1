import { CHANNELS } from '../rule.js';
import { ChannelWorker, type WorkerParts, type WorkerTimes } from './channel-worker.js';
import { EmailSender } from './email.js';
import type { NoticeSender } from './sender.js';
import { SlackSender } from './slack.js';
import { WebhookSender } from './webhook.js';

/** What is configured of each channel; one that is not there is not used. */
export interface ChannelsConfig {
  readonly email?: { readonly smtpUrl: string; readonly from: string; readonly to: readonly string[] };
  /** `allowPrivate` lets the URL lead into private networks. */
  readonly slack?: { readonly url: string; readonly allowPrivate: boolean };
  readonly webhook?: { readonly url: string; readonly secret?: string; readonly allowPrivate: boolean };
}

export const WORKER_TIMES: WorkerTimes = {
  groupMs: 30_000,
  settleMs: 1_000,
  listenMs: 500,
  standbyMs: 3_000,
  leaseMs: 15_000,
  firstBackoffMs: 1_000,
  maxBackoffMs: 300_000,
  giveUpAfterMs: 86_400_000,
};

const SEND_TIMEOUT_MS = 10_000;

/** The senders of the channels that are configured. */
export function createSenders(
  config: ChannelsConfig,
  { externalUrl, logger, now }: Pick<WorkerParts, 'logger' | 'now'> & { readonly externalUrl: string },
): NoticeSender[] {
  const { email, slack, webhook } = config;
  const timeoutMs = SEND_TIMEOUT_MS;
  const senders: NoticeSender[] = [];
  if (email !== undefined) senders.push(new EmailSender({ ...email, timeoutMs, logger }));
  if (slack !== undefined) senders.push(new SlackSender({ ...slack, url: new URL(slack.url), timeoutMs }));
  if (webhook !== undefined) {
    const { secret, allowPrivate } = webhook;
    const url = new URL(webhook.url);
    senders.push(new WebhookSender({ url, secret, allowPrivate, timeoutMs, externalUrl, now }));
  }
  return senders;
}

/** Tells people and other services what METRICS_ALERTS says: one worker a channel, so that none waits for another. */
export class Notifiers {
  readonly #workers: readonly ChannelWorker[];

  constructor(senders: readonly NoticeSender[], parts: WorkerParts) {
    // Known series are there from the beginning, at 0.
    for (const channel of CHANNELS) {
      for (const outcome of ['sent', 'failed', 'dead_lettered'])
        parts.metrics.notifications.inc({ channel, outcome }, 0);
    }
    this.#workers = senders.map((sender) => new ChannelWorker(sender, parts));
  }

  start(): void {
    for (const worker of this.#workers) worker.start();
  }

  /** Ends within the time that one try to send and one call to NATS take when they are called off. */
  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
  }
}
