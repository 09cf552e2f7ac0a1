import { errorText } from './error-text.js';

/**
 * What services report, as the contract has it (README, "Sending events"). Plain types, so that a program that imports the
 * client needs nothing else; test/unit/client holds them to the schemas that the service checks with.
 */

interface Stamp {
  /** For deduplication: 1 to 128 printable ASCII characters without spaces. A UUID unless given. */
  readonly id?: string | undefined;
  /** RFC 3339. The time of the call unless given. */
  readonly occurred_at?: string | undefined;
}

/** Something that a user did. */
export interface UserEvent extends Stamp {
  /** Letters, digits, `_` and `-`, at most 100: `user_login`. */
  readonly event_type: string;
  /** An int32. */
  readonly user_id?: number | undefined;
  /** At most 64 keys an object, 10 levels, 16 KB. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

/** A measurement that a service took of itself. */
export interface SystemEvent extends Stamp {
  /** The publisher's `service` unless given. */
  readonly service_name?: string | undefined;
  /** `cpu_usage` (percent), `memory_usage` (bytes), `response_time` (ms), or a name of your own. */
  readonly metric_name: string;
  readonly value: number;
  /** At most 64 keys an object, 10 levels, 16 KB. */
  readonly tags?: Readonly<Record<string, unknown>> | undefined;
}

/** A request that a service answered. */
export interface ApiEvent extends Stamp {
  /** The publisher's `service` unless given. */
  readonly service_name?: string | undefined;
  /** The route, not the path: `/users/:id`. */
  readonly endpoint: string;
  readonly method: string;
  readonly status_code: number;
  /** Milliseconds. */
  readonly response_time_ms?: number | undefined;
  /** An int32. */
  readonly user_id?: number | undefined;
  readonly request_bytes?: number | undefined;
  readonly response_bytes?: number | undefined;
}

export type ClientEvent =
  | { readonly kind: 'user'; readonly event: UserEvent }
  | { readonly kind: 'system'; readonly event: SystemEvent }
  | { readonly kind: 'api'; readonly event: ApiEvent };

/** An event as it goes onto the wire, every time that it is sent. */
export interface EncodedEvent {
  /** Goes into `Nats-Msg-Id`. */
  readonly id: string;
  readonly subject: string;
  readonly payload: Uint8Array;
}

export type Encoding =
  | { readonly ok: true; readonly encoded: EncodedEvent }
  | { readonly ok: false; readonly reason: 'invalid_event' | 'event_too_large'; readonly detail: string };

/** Where an event's id, time and service come from unless it names them. */
export interface EncodingDefaults {
  readonly service: string;
  readonly newId: () => string;
  readonly nowMs: () => number;
}

/** What may stand in a subject: anything else would be another subject, or another command of the protocol. */
const TOKEN = /^[A-Za-z0-9_-]{1,100}$/;
const ID = /^[\x21-\x7e]{1,128}$/;
/** Above what any event takes that the service accepts, and below what NATS carries (1 MiB unless it is told otherwise). */
const MAX_PAYLOAD_BYTES = 65_536;

/** Whether a text may be the name of a service. */
export function isToken(text: unknown): text is string {
  return typeof text === 'string' && TOKEN.test(text);
}

/**
 * Writes an event down as it is now, with its id and time. Refuses only what cannot be sent: every other fault is the
 * service's to find, which keeps the event among its dead letters.
 */
export function encodeEvent(given: ClientEvent, defaults: EncodingDefaults): Encoding {
  try {
    const name = given.kind === 'user' ? given.event.event_type : (given.event.service_name ?? defaults.service);
    if (!isToken(name)) {
      const field = given.kind === 'user' ? 'event_type' : 'service_name';
      return invalid(`${field} must be 1 to 100 letters, digits, _ and -`);
    }
    const id = given.event.id ?? defaults.newId();
    // A number would pass the pattern, and then be refused as a header each time that it is sent.
    if (typeof id !== 'string' || !ID.test(id))
      return invalid('id must be 1 to 128 printable ASCII characters without spaces');
    const occurredAt = given.event.occurred_at ?? new Date(defaults.nowMs()).toISOString();
    const payload = Buffer.from(JSON.stringify({ ...pickFields(given, name), occurred_at: occurredAt }));
    if (payload.length > MAX_PAYLOAD_BYTES) {
      return { ok: false, reason: 'event_too_large', detail: `has ${payload.length} bytes` };
    }
    return { ok: true, encoded: { id, subject: `metrics.events.${given.kind}.${name}`, payload } };
  } catch (error) {
    // What is no object, or what JSON cannot say: a cycle, a bigint, a toJSON that throws.
    return invalid(errorText(error));
  }
}

function invalid(detail: string): Encoding {
  return { ok: false, reason: 'invalid_event', detail };
}

function pickFields(given: ClientEvent, name: string): Record<string, unknown> {
  switch (given.kind) {
    case 'user': {
      const { user_id, metadata } = given.event;
      return { event_type: name, user_id, metadata };
    }
    case 'system': {
      const { metric_name, value, tags } = given.event;
      return { service_name: name, metric_name, value, tags };
    }
    case 'api': {
      const { endpoint, method, status_code, response_time_ms, user_id, request_bytes, response_bytes } = given.event;
      return {
        service_name: name,
        endpoint,
        method,
        status_code,
        response_time_ms,
        user_id,
        request_bytes,
        response_bytes,
      };
    }
  }
}
