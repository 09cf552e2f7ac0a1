import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { AddressRefused, guardedLookup, isRefusedLiteral, type ResolveAll } from './address-guard.js';
import type { SendOutcome } from './sender.js';

export interface PostOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly allowPrivate: boolean;
  /** For the whole exchange. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** For tests; else the system's. */
  readonly resolve?: ResolveAll;
}

/** An answer says `ok` or names an error; more of it is of no interest. */
const MAX_ANSWER_BYTES = 65_536;
/** The message itself is refused: trying it again would give the same. */
const REJECTING_STATUSES: readonly number[] = [400, 413, 422];

/**
 * Posts JSON once, to public addresses only, and follows no redirect. The outcome names a reason and never the URL,
 * which is a secret.
 */
export function postJson(url: URL, body: string, options: PostOptions): Promise<SendOutcome> {
  const { allowPrivate, signal, timeoutMs } = options;
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return Promise.resolve(retry('protocol_refused'));
  if (isRefusedLiteral(url, allowPrivate)) return Promise.resolve(retry('address_refused'));
  const timeout = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve) => {
    let answer: IncomingMessage | undefined;
    // Once the status stands, who does not end, or breaks off, has the notice all the same.
    const fail = (error: Error): void =>
      resolve(answer === undefined ? retry(timeout.aborted ? 'timeout' : reasonOf(error)) : outcomeOf(answer));
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    const request = send(url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'User-Agent': 'metrics-service',
        ...options.headers,
        'Content-Length': Buffer.byteLength(body),
      },
      // A connection for each notice: there are few, and none is left behind.
      agent: false,
      lookup: guardedLookup(allowPrivate, options.resolve),
      signal: AbortSignal.any([signal, timeout]),
    });
    request.on('error', fail);
    request.on('response', (response) => {
      answer = response;
      response.on('error', fail);
      response.on('end', () => resolve(outcomeOf(response)));
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        // Who sends more than that is not listened to.
        if (bytes <= MAX_ANSWER_BYTES) return;
        resolve(outcomeOf(response));
        request.destroy();
      });
    });
    request.end(body);
  });
}

function outcomeOf({ statusCode = 0, headers }: IncomingMessage): SendOutcome {
  if (statusCode >= 200 && statusCode < 300) return { kind: 'sent' };
  if (statusCode >= 300 && statusCode < 400) return retry('redirect_refused');
  const reason = `status_${statusCode}`;
  if (REJECTING_STATUSES.includes(statusCode)) return { kind: 'rejected', reason };
  const retryAfterMs = parseRetryAfter(headers['retry-after'], Date.now());
  return retryAfterMs === undefined ? retry(reason) : { ...retry(reason), retryAfterMs };
}

/** Seconds or an HTTP date, as milliseconds from now; undefined for what is neither. */
export function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  const atMs = Date.parse(text);
  return Number.isFinite(atMs) ? Math.max(0, atMs - nowMs) : undefined;
}

function retry(reason: string): Extract<SendOutcome, { kind: 'retry' }> {
  return { kind: 'retry', reason };
}

/** A named reason without host, address or path; those stand in the messages of Node.js. */
function reasonOf(error: Error): string {
  if (error instanceof AddressRefused) return 'address_refused';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'name_not_found';
  if (code === 'ECONNREFUSED') return 'connection_refused';
  if (/CERT|SSL|TLS|SIGNED|VERIFY/.test(code)) return 'tls_failed';
  return 'connection_failed';
}
