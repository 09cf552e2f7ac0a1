import type { Publisher } from '../client/index.js';
import { formatTime } from '../events/time.js';
import type { DemoEvent } from './minute.js';

const POST_TIMEOUT_MS = 5_000;
const TOLD_EVERY_MS = 60_000;

export interface WaysInOptions {
  readonly publisher: Pick<Publisher, 'api' | 'system'>;
  /** The service's address, and a token that it takes. */
  readonly baseUrl: string;
  readonly token: string;
  readonly signal: AbortSignal;
  /** Told of what the service did not take, at most once a minute. */
  readonly onTrouble: (line: string) => void;
}

/**
 * The ways in that services have: requests and measurements are published over NATS, what users do is posted. Answers the
 * function that sends one event.
 */
export function waysIn(options: WaysInOptions): (event: DemoEvent) => void {
  const { publisher, signal } = options;
  const tell = seldom(options.onTrouble);
  return ({ id, occurredAtMs, event }) => {
    const stamp = { id, occurred_at: formatTime(occurredAtMs) };
    switch (event.kind) {
      case 'api':
        publisher.api({ ...event.body, ...stamp });
        return;
      case 'system':
        publisher.system({ ...event.body, ...stamp });
        return;
      case 'user':
        post(options, { ...event.body, ...stamp }).catch((error: unknown) => {
          if (!signal.aborted) tell(`an event of the demo was not taken: ${String(error)}`);
        });
    }
  };
}

async function post({ baseUrl, token, signal }: WaysInOptions, body: object): Promise<void> {
  const response = await fetch(`${baseUrl}/metrics/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.any([signal, AbortSignal.timeout(POST_TIMEOUT_MS)]),
  });
  const text = await response.text();
  if (response.status !== 202) throw new Error(`${response.status} ${text.slice(0, 200)}`);
}

function seldom(tell: (line: string) => void): (line: string) => void {
  let toldMs = Number.NEGATIVE_INFINITY;
  return (line) => {
    if (performance.now() - toldMs < TOLD_EVERY_MS) return;
    toldMs = performance.now();
    tell(line);
  };
}
