import type { EventKind } from './kinds.js';
import { accept, type Outcome, refuse } from './refusals.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Lifts a body from one version of its kind's shape to the next. Pure: it gives a new object and leaves its own alone.
 * The body has not been checked, so a field may be missing or of any type; what cannot be lifted is handed on as it is,
 * and the schema refuses it.
 */
export type Upcast = (body: JsonObject) => JsonObject;

/** The function at index n - 1 lifts version n to n + 1; the current version is one more than there are functions. */
export type Upcasts = Readonly<Record<EventKind, readonly Upcast[]>>;

/**
 * Every shape that ever was, as a way to that of today. A new shape is a new function at the end, together with the
 * schema in kinds.ts; none is ever changed or taken away, because the log has events of all versions.
 */
export const UPCASTS: Upcasts = { user: [], system: [], api: [] };

/** The version that the schemas describe. What an event says nothing of is version 1. */
export function currentVersion(kind: EventKind, upcasts: Upcasts = UPCASTS): number {
  return upcasts[kind].length + 1;
}

/** The version as a header or a CloudEvent's type tells it. */
const VERSION_TEXT = /^[1-9][0-9]{0,14}$/;

/**
 * Lifts a body to the current version of its kind.
 *
 * @param told the version as a header or a CloudEvent's type tells it; where the body tells one, too, they must agree
 * @returns the body itself where it is current, else a lifted one that says so in `schema_version`
 */
export function liftBody(
  kind: EventKind,
  body: JsonObject,
  told: readonly (string | undefined)[],
  upcasts: Upcasts = UPCASTS,
): Outcome<JsonObject> {
  const given = versionOf(body, told);
  if (!given.ok) return given;
  const version = given.value;
  const current = currentVersion(kind, upcasts);
  if (version === current) return accept(body);
  if (version > current) {
    const detail = `is version ${version} of a ${kind} event; versions up to ${current} are known`;
    return refuse('unsupported_version', '/schema_version', detail);
  }
  try {
    const lifted = upcasts[kind].slice(version - 1).reduce((shape, upcast) => upcast(shape), body);
    return accept({ ...lifted, schema_version: current });
  } catch (error) {
    // An upcast does not throw. If one does all the same, this event must not keep those behind it from being read.
    return refuse('invalid_fields', '', `cannot be lifted from version ${version} to ${current}: ${String(error)}`);
  }
}

function versionOf(body: JsonObject, told: readonly (string | undefined)[]): Outcome<number> {
  const inBody = body.schema_version ?? undefined;
  if (inBody !== undefined && !(Number.isSafeInteger(inBody) && Number(inBody) >= 1)) {
    return refuse('invalid_fields', '/schema_version', 'must be an integer from 1');
  }
  let version = inBody === undefined ? undefined : Number(inBody);
  for (const text of told) {
    if (text === undefined) continue;
    if (!VERSION_TEXT.test(text)) return refuse('invalid_fields', '/schema_version', 'must be an integer from 1');
    if (version !== undefined && version !== Number(text)) {
      return refuse('invalid_fields', '/schema_version', 'differs from the version in the header or the type');
    }
    version = Number(text);
  }
  return accept(version ?? 1);
}
