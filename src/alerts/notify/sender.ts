import type { Channel } from '../rule.js';
import type { Notice } from './notice.js';

/**
 * What became of one try. A reason is a name, made of letters, digits and `_`; it holds no address and no secret.
 * `retry`: it may work later. `rejected`: the receiver refused this very message, and would again.
 */
export type SendOutcome =
  | { readonly kind: 'sent' }
  | { readonly kind: 'retry'; readonly reason: string; readonly retryAfterMs?: number }
  | { readonly kind: 'rejected'; readonly reason: string };

/** A channel that can tell people, or another service. */
export interface NoticeSender {
  readonly channel: Channel;
  /**
   * Tries once to send. It ends within a bound of its own, and does not throw where a server is away or refuses.
   *
   * @param signal ends it early: the outcome is then unknown, and the notice is sent again
   */
  send(notice: Notice, signal: AbortSignal): Promise<SendOutcome>;
  close(): void;
}
