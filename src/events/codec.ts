import { type AddressRule, type ConcealAddresses, concealAddresses } from './addresses.js';
import { fromBinary, fromStructured, toKindAndBody } from './cloudevents.js';
import { isObject, parseJson } from './json.js';
import type { CheckedEvent, EventBody, EventKind, LogEvent } from './kinds.js';
import type { Outcome } from './refusals.js';
import { accept, refuse } from './refusals.js';
import type { ForeignEnvelope, ForeignSource, SourceMatcher } from './sources.js';
import { foreignBody, matchSources } from './sources.js';
import { parseSubject } from './subjects.js';
import { currentVersion, liftBody, UPCASTS, type Upcasts } from './upcasts.js';
import { timeBounds, validateBody } from './validate.js';

/** A message as it stands in the log. */
export interface LogMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** A header's value; names compare without regard to case. Undefined where it is missing. */
  readonly header: (name: string) => string | undefined;
  /** Names of all headers, where they are known. */
  readonly headerNames?: () => readonly string[];
  readonly sequence: number;
  /** JetStream's time of storing, milliseconds since 1970. */
  readonly storedAtMs: number;
}

export interface CodecOptions {
  readonly retentionDays: number;
  readonly matchSource: SourceMatcher;
  /** What the tables get of IP addresses; left out, they are truncated. */
  readonly conceal?: ConcealAddresses;
  /** Another table than that of upcasts.ts, for tests. */
  readonly upcasts?: Upcasts;
}

/** What decides how the log is read; the same for whoever writes the tables and whoever compares them. */
export interface CodecSettings {
  readonly retentionDays: number;
  readonly sources: readonly ForeignSource[];
  readonly addresses: AddressRule;
}

/** Compiles settings once. */
export function codecOf({ retentionDays, sources, addresses }: CodecSettings): CodecOptions {
  return { retentionDays, matchSource: matchSources(sources), conceal: concealAddresses(addresses) };
}

const TRUNCATE = concealAddresses({ kind: 'truncate' });

/** Where a publisher may tell the version instead of in the body. */
export const VERSION_HEADER = 'Metrics-Schema-Version';

/** What the log's reader allows beyond the contract's time bounds: clocks of two machines differ. */
const CLOCK_SLACK_MS = 10_000;
const VALID_ID = /^[\x21-\x7e]{1,128}$/;

/**
 * Decodes one message of the log. Pure: the same message gives the same event or the same refusal at every replay, as long as
 * the settings are the same.
 */
export function decodeMessage(message: LogMessage, options: CodecOptions): Outcome<LogEvent> {
  const parsed = parseJson(message.data);
  if (!parsed.ok) return parsed;
  const unwrapped = unwrap(message, parsed.value);
  if (!unwrapped.ok) return unwrapped;
  const placed = placeBySubject(message, unwrapped.value, options);
  if (!placed.ok) return placed;
  const { kind, body } = placed.value;
  const bounds = timeBounds(message.storedAtMs, options.retentionDays, CLOCK_SLACK_MS);
  const id = headerId(message);
  const checked = validateBody(kind, id === undefined ? body : withoutId(body), bounds);
  if (!checked.ok) return checked;
  const conceal = options.conceal ?? TRUNCATE;
  return locate(message, id, { ...conceal(checked.value), occurredAtMs: checked.value.occurredAtMs });
}

/** A body, and what its CloudEvents envelope said of it, where it had one. */
interface Unwrapped {
  readonly kind: EventKind | undefined;
  readonly body: unknown;
  /** As the CloudEvent's type tells it. */
  readonly version?: string;
  readonly envelope: ForeignEnvelope | undefined;
}

/** Takes a CloudEvents envelope off, where there is one. */
function unwrap(message: LogMessage, value: unknown): Outcome<Unwrapped> {
  const structured = message.header('content-type')?.toLowerCase().startsWith('application/cloudevents') === true;
  const binary = !structured && message.header('ce-specversion') !== undefined;
  if (!structured && !binary) return accept({ kind: undefined, body: value, envelope: undefined });
  const event = structured ? fromStructured(value) : fromBinary(message.header, value);
  if (!event.ok) return event;
  // On a foreign subject the type is the other service's own; only id and time are taken from the envelope.
  if (parseSubject(message.subject) === undefined) {
    return accept({ kind: undefined, body: event.value.data, envelope: event.value });
  }
  const own = toKindAndBody(event.value);
  return own.ok ? accept({ ...own.value, envelope: undefined }) : own;
}

type Placed = { kind: EventKind; body: unknown };

/** Lets the subject say the kind, lifts the body to the shape of today, and fills in the name that it left out. */
function placeBySubject(
  { subject, header }: LogMessage,
  { kind, body: given, version, envelope }: Unwrapped,
  { matchSource, upcasts }: CodecOptions,
): Outcome<Placed> {
  const parts = parseSubject(subject);
  // A version in another service's message is that of its own shape.
  if (parts === undefined) return placeForeign(subject, given, envelope, matchSource);
  if (kind !== undefined && kind !== parts.kind) {
    return refuse('subject_mismatch', '/type', `is of kind ${kind}, the subject is of kind ${parts.kind}`);
  }
  if (!isObject(given)) return refuse('not_an_object', '', 'must be a JSON object');
  const lifted = liftBody(parts.kind, given, [version, header(VERSION_HEADER)], upcasts);
  if (!lifted.ok) return lifted;
  const body = lifted.value;
  const nameField = parts.kind === 'user' ? 'event_type' : 'service_name';
  const name = body[nameField];
  if (name === undefined || name === null) {
    return accept({ kind: parts.kind, body: { ...body, [nameField]: parts.name } });
  }
  if (typeof name === 'string' && name !== parts.name) {
    return refuse('subject_mismatch', `/${nameField}`, 'differs from the subject');
  }
  return accept({ kind: parts.kind, body });
}

function placeForeign(
  subject: string,
  body: unknown,
  envelope: ForeignEnvelope | undefined,
  matchSource: SourceMatcher,
): Outcome<Placed> {
  const source = matchSource(subject);
  if (source === undefined) {
    return refuse('unknown_subject', '', 'is neither metrics.events.<user|system|api>.<name> nor a configured source');
  }
  const foreign = foreignBody(source, subject, body, envelope);
  return foreign.ok ? accept({ kind: 'user', body: foreign.value }) : foreign;
}

/** The id that comes before the body's own. */
function headerId(message: LogMessage): string | undefined {
  return message.header('nats-msg-id') ?? message.header('ce-id');
}

/** An id that is not used need not be a valid one. */
function withoutId(body: unknown): unknown {
  return isObject(body) && 'id' in body ? { ...body, id: undefined } : body;
}

function locate(message: LogMessage, idOfHeader: string | undefined, event: CheckedEvent): Outcome<LogEvent> {
  const publishersId = idOfHeader ?? event.body.id;
  if (publishersId !== undefined && !VALID_ID.test(publishersId)) {
    return refuse('invalid_id', '', 'The id must be 1 to 128 printable ASCII characters without spaces');
  }
  return accept({
    ...event,
    id: publishersId ?? `METRICS:${message.sequence}`,
    occurredAtMs: event.occurredAtMs ?? message.storedAtMs,
    timeFromLog: event.occurredAtMs === undefined && publishersId !== undefined,
    sequence: message.sequence,
  });
}

/**
 * The bytes that HTTP appends for a checked event: its known fields as JSON with the version of their shape, the id apart
 * (it travels in the `Nats-Msg-Id` header).
 *
 * @param id where it is to stand in the body instead
 */
export function encodeBody(
  event: EventBody,
  occurredAt: string | undefined,
  { id, upcasts }: { readonly id?: string; readonly upcasts?: Upcasts | undefined } = {},
): Uint8Array {
  const schema_version = currentVersion(event.kind, upcasts ?? UPCASTS);
  return Buffer.from(JSON.stringify(knownFields(event, { id, schema_version, occurred_at: occurredAt })));
}

interface Around {
  readonly id: string | undefined;
  readonly schema_version: number;
  readonly occurred_at: string | undefined;
}

/** In the order in which they are written; each kind as a whole, since objects put together of others are slow to write. */
function knownFields(event: EventBody, { id, schema_version, occurred_at }: Around): Record<string, unknown> {
  switch (event.kind) {
    case 'user': {
      const { event_type, user_id, metadata } = event.body;
      return { id, schema_version, event_type, user_id, metadata, occurred_at };
    }
    case 'system': {
      const { service_name, metric_name, value, tags } = event.body;
      return { id, schema_version, service_name, metric_name, value, tags, occurred_at };
    }
    case 'api': {
      const { service_name, endpoint, method, status_code, response_time_ms } = event.body;
      const { user_id, request_bytes, response_bytes } = event.body;
      const numbers = { status_code, response_time_ms, user_id, request_bytes, response_bytes };
      return { id, schema_version, service_name, endpoint, method, ...numbers, occurred_at };
    }
  }
}
