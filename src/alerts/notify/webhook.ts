import { createHmac } from 'node:crypto';
import { alertmanagerBody } from './alertmanager.js';
import type { Notice } from './notice.js';
import { postJson } from './post-json.js';
import type { NoticeSender, SendOutcome } from './sender.js';

export interface WebhookOptions {
  readonly url: URL;
  /** Signs each body; undefined: nothing is signed. */
  readonly secret: string | undefined;
  readonly allowPrivate: boolean;
  readonly timeoutMs: number;
  /** Where people find this service. */
  readonly externalUrl: string;
  readonly now: () => number;
}

/** Tells another service, in the shape that receivers of Prometheus' Alertmanager understand. */
export class WebhookSender implements NoticeSender {
  readonly channel = 'webhook';

  constructor(private readonly options: WebhookOptions) {}

  send(notice: Notice, signal: AbortSignal): Promise<SendOutcome> {
    const { url, secret, allowPrivate, timeoutMs, externalUrl, now } = this.options;
    const body = JSON.stringify(alertmanagerBody(notice, externalUrl));
    const signature = secret === undefined ? {} : signatureHeaders(secret, body, now());
    const headers = { 'Idempotency-Key': notice.key, ...signature };
    return postJson(url, body, { headers, allowPrivate, timeoutMs, signal });
  }

  close(): void {}
}

/**
 * `X-Metrics-Signature: sha256=<hex>` is the HMAC-SHA256 of `<timestamp>.<body>`, with the seconds since 1970 of
 * `X-Metrics-Timestamp`: a receiver that refuses old times cannot be played an old request again.
 */
export function signatureHeaders(secret: string, body: string, nowMs: number): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1_000));
  const signature = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
  return { 'X-Metrics-Timestamp': timestamp, 'X-Metrics-Signature': `sha256=${signature}` };
}
