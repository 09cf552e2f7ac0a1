import type { JetStreamManager } from '../stream/connection.js';
import { readLast } from '../stream/read-last.js';
import { EVENTS_STREAM, findStream } from '../stream/streams.js';

/** What the log has of the demo; both undefined where it has nothing. Milliseconds since 1970. */
export interface DemoLog {
  /** When its first event was stored: when the demo was started for the first time. */
  readonly begunMs: number | undefined;
  /** Everything before has been stored, but for what a process that was killed had not handed on yet. */
  readonly storedUntilMs: number | undefined;
}

/** Something comes under it nearly every minute, and minutes are appended one after another. */
const BUSIEST_SUBJECT = 'metrics.events.api.gateway';

/** Asks the log, and no file beside it, how far the demo has come: so a crash at any moment leaves nothing untrue. */
export async function readDemoLog(manager: JetStreamManager): Promise<DemoLog> {
  const state = (await findStream(manager, EVENTS_STREAM))?.state;
  if (state === undefined || state.messages === 0) return { begunMs: undefined, storedUntilMs: undefined };
  const last = await readLast(manager, EVENTS_STREAM, BUSIEST_SUBJECT);
  return {
    begunMs: Date.parse(String(state.first_ts)),
    storedUntilMs: last === undefined ? undefined : timeOf(last),
  };
}

function timeOf(payload: Uint8Array): number | undefined {
  const body: unknown = JSON.parse(Buffer.from(payload).toString());
  const time = typeof body === 'object' && body !== null && 'occurred_at' in body ? body.occurred_at : undefined;
  const timeMs = Date.parse(String(time));
  return Number.isNaN(timeMs) ? undefined : timeMs;
}
