import { EventParser } from '../model/sse.js';

/** The service sends a comment every 15 seconds; silence for so long means that the connection is dead. */
const SILENCE_TIMEOUT_MS = 40_000;
const FIRST_RETRY_MS = 2_000;
const MAX_RETRY_MS = 30_000;
/** Any change shows in each window; this one is counted most cheaply. */
const PATH = '/metrics/stream?window=1h';

export interface ChangeListener {
  /** Something has changed. */
  changed(): void;
  /** Whether changes are told; where not, somebody has to ask. */
  connected(isConnected: boolean): void;
}

/**
 * Listens to the service's stream of changes until the signal. `EventSource` can send no token, so the stream is read here. A
 * stream that ends is opened again, after a wait that grows while that fails.
 */
export async function followChanges(token: string, listener: ChangeListener, signal: AbortSignal): Promise<void> {
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    const silence = new AbortController();
    const timer = { handle: 0 };
    const heard = (): void => {
      clearTimeout(timer.handle);
      timer.handle = window.setTimeout(() => silence.abort(), SILENCE_TIMEOUT_MS);
    };
    try {
      heard();
      await readStream(
        token,
        AbortSignal.any([signal, silence.signal]),
        () => {
          heard();
          retryMs = FIRST_RETRY_MS;
        },
        listener,
      );
    } catch {
      // Away, refused or silent: polling goes on meanwhile, and tells what is wrong.
    }
    clearTimeout(timer.handle);
    if (signal.aborted) return;
    listener.connected(false);
    await rest(retryMs, signal);
    retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
  }
}

async function readStream(
  token: string,
  signal: AbortSignal,
  heard: () => void,
  listener: ChangeListener,
): Promise<void> {
  const response = await fetch(PATH, { headers: { authorization: `Bearer ${token}` }, signal, cache: 'no-store' });
  if (!response.ok || response.body === null) throw new Error(`The stream is answered with ${response.status}`);
  listener.connected(true);
  const parser = new EventParser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    if (parser.push(value).length > 0) listener.changed();
  }
}

/** Waits; ends at once when the signal comes. */
export function rest(waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, waitMs);
    signal.addEventListener('abort', done);
  });
}
