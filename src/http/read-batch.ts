import { isObject, parseJson } from '../events/json.js';
import type { CheckedEvent } from '../events/kinds.js';
import { accept, type Outcome, type Refusal, refuse } from '../events/refusals.js';
import { readRequestEvent } from '../events/requests.js';
import type { TimeBounds } from '../events/validate.js';
import { Problem, refusedEvent } from './problems.js';

/** An event of at most 16 KB of metadata, with room for white space and escapes. */
export const MAX_EVENT_BYTES = 65_536;
export const MAX_BATCH_EVENTS = 10_000;
export const MAX_BATCH_BYTES = 8 * 1024 * 1024;

export const CLOUDEVENT_MEDIA_TYPE = 'application/cloudevents+json';
export const CLOUDEVENTS_BATCH_MEDIA_TYPE = 'application/cloudevents-batch+json';
const NDJSON_MEDIA_TYPES = ['application/x-ndjson', 'application/ndjson'] as const;
export const BATCH_MEDIA_TYPES = ['application/json', ...NDJSON_MEDIA_TYPES, CLOUDEVENTS_BATCH_MEDIA_TYPE] as const;

/** An event of a batch that was not taken, by its place in the batch, counted from 0. */
export interface RejectedEvent {
  readonly index: number;
  readonly reason: Refusal['reason'];
  readonly errors: Refusal['errors'];
}

export interface ReadBatch {
  readonly events: readonly CheckedEvent[];
  readonly rejected: readonly RejectedEvent[];
}

/**
 * Reads the events of a batch: `{events: [...]}`, a line each, or CloudEvents. Bad events do not touch good ones.
 *
 * @throws Problem where the batch as a whole cannot be read, is empty or has too many events
 */
export function readBatch(bytes: Uint8Array, mediaType: string, bounds: TimeBounds): ReadBatch {
  const isNdjson = NDJSON_MEDIA_TYPES.some((type) => type === mediaType);
  const items = isNdjson ? readLines(bytes) : readList(bytes, mediaType);
  if (items.length === 0) throw new Problem('no_valid_event', 'The batch is empty');
  if (items.length > MAX_BATCH_EVENTS) {
    throw new Problem('body_too_large', `At most ${MAX_BATCH_EVENTS} events are taken at a time`);
  }
  const mode = mediaType === CLOUDEVENTS_BATCH_MEDIA_TYPE ? 'structured' : 'plain';
  const events: CheckedEvent[] = [];
  const rejected: RejectedEvent[] = [];
  for (const [index, item] of items.entries()) {
    const event = item.ok ? readRequestEvent(item.value, { mode }, bounds) : item;
    if (event.ok) events.push(event.value);
    else rejected.push({ index, ...event.refusal });
  }
  return { events, rejected };
}

function readList(bytes: Uint8Array, mediaType: string): Outcome<unknown>[] {
  const parsed = parseJson(bytes);
  if (!parsed.ok) throw refusedEvent(parsed.refusal);
  const isCloudEvents = mediaType === CLOUDEVENTS_BATCH_MEDIA_TYPE;
  const list = isCloudEvents || !isObject(parsed.value) ? parsed.value : parsed.value.events;
  if (Array.isArray(list)) return list.map((item: unknown) => accept(item));
  throw new Problem('no_valid_event', isCloudEvents ? 'Send a JSON array of events' : 'Send {"events": [...]}');
}

const LINE_FEED = 0x0a;

/** Lines are cut as bytes, so that a line with invalid UTF-8 spoils only itself. */
function readLines(bytes: Uint8Array): Outcome<unknown>[] {
  const items: Outcome<unknown>[] = [];
  for (let start = 0; start < bytes.length; ) {
    if (bytes[start] === LINE_FEED) {
      start += 1;
      continue;
    }
    const end = bytes.indexOf(LINE_FEED, start);
    const line = bytes.subarray(start, end === -1 ? bytes.length : end);
    start = end === -1 ? bytes.length : end + 1;
    if (line.length > MAX_EVENT_BYTES)
      items.push(refuse('object_too_large', '', `The line has more than ${MAX_EVENT_BYTES} bytes`));
    else if (!isBlank(line)) items.push(parseJson(line));
    // Past the limit the batch is refused as a whole, so the rest need not be parsed.
    if (items.length > MAX_BATCH_EVENTS) break;
  }
  return items;
}

function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
