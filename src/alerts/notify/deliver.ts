import { setTimeout as sleep } from 'node:timers/promises';
import type { Notice } from './notice.js';
import type { NoticeSender, SendOutcome } from './sender.js';

export interface RetryTimes {
  readonly firstBackoffMs: number;
  readonly maxBackoffMs: number;
  /** From when a notice is given up, counted from what it tells. */
  readonly giveUpAfterMs: number;
}

export type Delivery =
  | { readonly kind: 'sent' }
  /** Called off: whether the last try got through is unknown. */
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'given_up'; readonly reason: string };

export interface DeliveryParts extends RetryTimes {
  readonly sender: NoticeSender;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** Told of each try. */
  readonly onTry: (outcome: SendOutcome) => void;
}

/**
 * Sends one notice until the receiver has it. Between tries it waits twice as long each time, up to the bound, and at
 * least as long as the receiver asks for within it. A message that is refused as such is given up at once, one that did
 * not get through when its time is over.
 */
export async function deliver(notice: Notice, sinceMs: number, parts: DeliveryParts): Promise<Delivery> {
  const { sender, signal, now, onTry, firstBackoffMs, maxBackoffMs, giveUpAfterMs } = parts;
  for (let tries = 0; !signal.aborted; tries += 1) {
    const outcome = await tryOnce(sender, notice, signal);
    if (signal.aborted && outcome.kind !== 'sent') break;
    onTry(outcome);
    if (outcome.kind === 'sent') return { kind: 'sent' };
    if (outcome.kind === 'rejected') return { kind: 'given_up', reason: outcome.reason };
    if (now() - sinceMs >= giveUpAfterMs) return { kind: 'given_up', reason: outcome.reason };
    const backoffMs = Math.max(firstBackoffMs * 2 ** Math.min(tries, 30), outcome.retryAfterMs ?? 0);
    await pause(Math.min(backoffMs, maxBackoffMs), signal);
  }
  return { kind: 'interrupted' };
}

async function tryOnce(sender: NoticeSender, notice: Notice, signal: AbortSignal): Promise<SendOutcome> {
  try {
    return await sender.send(notice, signal);
  } catch {
    // The error's text may hold an address; the reason says where to look.
    return { kind: 'retry', reason: 'unexpected_error' };
  }
}

/** Waits, or until the signal says not to. */
export async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  await sleep(durationMs, undefined, { signal }).catch(() => undefined);
}
