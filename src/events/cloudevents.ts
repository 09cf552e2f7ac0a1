import { isObject } from './json.js';
import type { EventKind } from './kinds.js';
import type { Outcome } from './refusals.js';
import { accept, refuse } from './refusals.js';

/**
 * CloudEvents 1.0, structured and binary mode, over NATS and over HTTP. Its `type` names our kind:
 * `metrics.user.<event_type>.v<n>`, `metrics.system.v<n>` or `metrics.api.v<n>`, n being the version of its shape.
 */
export interface CloudEvent {
  readonly id: string;
  readonly type: string;
  readonly time: string | undefined;
  readonly data: unknown;
}

const OWN_TYPE =
  /^metrics\.(?:user\.(?<eventType>[A-Za-z0-9_-]{1,100})|(?<kind>system|api))\.v(?<version>[1-9][0-9]{0,14})$/;

/** Reads the attributes of an event in structured mode; the payload is one JSON object. */
export function fromStructured(value: unknown): Outcome<CloudEvent> {
  if (!isObject(value)) return refuse('invalid_cloudevent', '', 'must be a JSON object');
  const { data, data_base64: base64 } = value;
  if (data === undefined && base64 !== undefined) {
    return refuse('invalid_cloudevent', '/data_base64', 'is not understood; send data');
  }
  return checkAttributes((name) => value[name], data);
}

/** Reads the attributes of an event in binary mode: `ce-` headers, and the payload is the data. */
export function fromBinary(header: (name: string) => string | undefined, data: unknown): Outcome<CloudEvent> {
  return checkAttributes((name) => header(`ce-${name}`), data);
}

function checkAttributes(attribute: (name: string) => unknown, data: unknown): Outcome<CloudEvent> {
  if (attribute('specversion') !== '1.0') return refuse('invalid_cloudevent', '/specversion', 'must be "1.0"');
  const id = attribute('id');
  const type = attribute('type');
  const time = attribute('time');
  if (typeof id !== 'string' || id === '') return refuse('invalid_cloudevent', '/id', 'is required');
  if (typeof attribute('source') !== 'string') return refuse('invalid_cloudevent', '/source', 'is required');
  if (typeof type !== 'string') return refuse('invalid_cloudevent', '/type', 'is required');
  if (time !== undefined && time !== null && typeof time !== 'string') {
    return refuse('time_invalid', '/time', 'must be an RFC 3339 string');
  }
  return accept({ id, type, time: time ?? undefined, data });
}

/** What a CloudEvent of ours is: the body has id, time and event type filled in. */
export interface OwnEvent {
  readonly kind: EventKind;
  readonly body: Record<string, unknown>;
  /** The `<n>` of its type. */
  readonly version: string;
}

/** The kind that a CloudEvent's `type` names, and its data. A time in the data wins. */
export function toKindAndBody(event: CloudEvent): Outcome<OwnEvent> {
  if (!isObject(event.data)) return refuse('invalid_cloudevent', '/data', 'must be a JSON object');
  const { eventType, kind, version } = OWN_TYPE.exec(event.type)?.groups ?? {};
  if (version === undefined) {
    const known = 'metrics.user.<event_type>.v1, metrics.system.v1 or metrics.api.v1';
    return refuse('invalid_cloudevent', '/type', `must be ${known}`);
  }
  const body: Record<string, unknown> = { ...event.data, id: event.id };
  if (event.time !== undefined) body.occurred_at ??= event.time;
  if (kind === 'system' || kind === 'api') return accept({ kind, body, version });
  if (body.event_type !== undefined && body.event_type !== eventType) {
    return refuse('subject_mismatch', '/data/event_type', 'differs from the event type in /type');
  }
  return accept({ kind: 'user', body: { ...body, event_type: eventType }, version });
}
