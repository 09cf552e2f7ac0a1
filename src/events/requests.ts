import { fromBinary, fromStructured, type OwnEvent, toKindAndBody } from './cloudevents.js';
import { isObject } from './json.js';
import type { CheckedEvent, EventKind } from './kinds.js';
import { EVENT_KINDS } from './kinds.js';
import type { Outcome } from './refusals.js';
import { accept, refuse } from './refusals.js';
import { type JsonObject, liftBody, UPCASTS, type Upcasts } from './upcasts.js';
import type { TimeBounds } from './validate.js';
import { validateBody } from './validate.js';

/** How a body that came over HTTP is wrapped. */
export type Envelope =
  | { readonly mode: 'plain' }
  | { readonly mode: 'structured' }
  | { readonly mode: 'binary'; readonly header: (name: string) => string | undefined };

/**
 * Reads one event as REST clients send it: a user event unless `kind` says otherwise, or a CloudEvent.
 */
export function readRequestEvent(
  value: unknown,
  envelope: Envelope,
  bounds: TimeBounds,
  upcasts: Upcasts = UPCASTS,
): Outcome<CheckedEvent> {
  const named = envelope.mode === 'plain' ? plainKind(value) : cloudEventKind(value, envelope);
  if (!named.ok) return named;
  const { kind, body, version } = named.value;
  const lifted = liftBody(kind, body, [version], upcasts);
  return lifted.ok ? validateBody(kind, lifted.value, bounds) : lifted;
}

function plainKind(value: unknown): Outcome<{ kind: EventKind; body: JsonObject; version?: string }> {
  if (!isObject(value)) return refuse('not_an_object', '', 'must be a JSON object');
  const wanted = value.kind ?? 'user';
  const kind = EVENT_KINDS.find((each) => each === wanted);
  if (kind === undefined) return refuse('invalid_fields', '/kind', 'must be user, system or api');
  return accept({ kind, body: value });
}

function cloudEventKind(value: unknown, envelope: Exclude<Envelope, { mode: 'plain' }>): Outcome<OwnEvent> {
  const event = envelope.mode === 'structured' ? fromStructured(value) : fromBinary(envelope.header, value);
  return event.ok ? toKindAndBody(event.value) : event;
}
