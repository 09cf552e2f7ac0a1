import { Compile } from 'typebox/compile';
import { isObject } from './json.js';
import type { CheckedEvent, EventBody, EventKind } from './kinds.js';
import { ApiEventSchema, SystemEventSchema, UserEventSchema } from './kinds.js';
import { findUnstorable } from './limits.js';
import type { FieldError, Outcome } from './refusals.js';
import { accept, refuse } from './refusals.js';
import { parseRfc3339 } from './time.js';

const userEvent = Compile(UserEventSchema);
const systemEvent = Compile(SystemEventSchema);
const apiEvent = Compile(ApiEventSchema);

/** How far a publisher's clock may be ahead. */
export const MAX_AHEAD_MS = 5 * 60_000;

/** The times that an event may carry, in milliseconds since 1970. */
export interface TimeBounds {
  readonly earliestMs: number;
  readonly latestMs: number;
}

/**
 * The bounds for an event that is taken, or was stored, at `referenceMs`. The log's reader hands in JetStream's time,
 * never its own clock, so that a replay decides as the first reading did.
 *
 * @param slackMs what the reader allows beyond the contract, so that an event that HTTP accepted by the clock of one
 *   machine is not refused by the clock of another
 */
export function timeBounds(referenceMs: number, retentionDays: number, slackMs: number): TimeBounds {
  return {
    earliestMs: referenceMs - retentionDays * 86_400_000 - slackMs,
    latestMs: referenceMs + MAX_AHEAD_MS + slackMs,
  };
}

/**
 * Checks one event's body against the schema of its kind and the limits of storage. `null` counts as left out.
 * Unknown fields are dropped, so that a publisher may be newer than this service.
 */
export function validateBody(kind: EventKind, input: unknown, bounds: TimeBounds): Outcome<CheckedEvent> {
  if (!isObject(input)) return refuse('not_an_object', '', 'must be a JSON object');
  const body = withoutNulls(input);
  const checked = checkSchema(kind, body);
  if (!checked.ok) return checked;
  const fault = findUnstorable(body);
  if (fault !== undefined) return refuse(fault.reason, fault.pointer, fault.detail);
  return checkTime(checked.value, bounds);
}

function withoutNulls(input: Record<string, unknown>): Record<string, unknown> {
  for (const key in input) {
    if (input[key] === null) {
      return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null));
    }
  }
  return input;
}

function checkSchema(kind: EventKind, body: Record<string, unknown>): Outcome<EventBody> {
  switch (kind) {
    case 'user':
      return userEvent.Check(body) ? accept({ kind, body }) : schemaRefusal(userEvent.Errors(body));
    case 'system':
      return systemEvent.Check(body) ? accept({ kind, body }) : schemaRefusal(systemEvent.Errors(body));
    case 'api':
      return apiEvent.Check(body) ? accept({ kind, body }) : schemaRefusal(apiEvent.Errors(body));
  }
}

type SchemaError = ReturnType<typeof userEvent.Errors>[number];

function schemaRefusal(found: readonly SchemaError[]): Outcome<never> {
  const errors: FieldError[] = found.flatMap((error) =>
    error.keyword === 'required'
      ? error.params.requiredProperties.map((name) => ({ pointer: `/${name}`, detail: 'is required' }))
      : [{ pointer: error.instancePath, detail: error.message }],
  );
  const reason = errors.every((error) => error.pointer === '/id') ? 'invalid_id' : 'invalid_fields';
  return { ok: false, refusal: { reason, errors } };
}

function checkTime(event: EventBody, bounds: TimeBounds): Outcome<CheckedEvent> {
  const text = event.body.occurred_at;
  if (text === undefined) return accept({ ...event, occurredAtMs: undefined });
  const timeMs = parseRfc3339(text);
  if (timeMs === undefined) return refuse('time_invalid', '/occurred_at', 'is no RFC 3339 date and time');
  if (timeMs > bounds.latestMs) return refuse('time_in_future', '/occurred_at', 'is more than 5 minutes ahead');
  if (timeMs < bounds.earliestMs) return refuse('time_too_old', '/occurred_at', 'is older than the retention');
  return accept({ ...event, occurredAtMs: timeMs });
}
