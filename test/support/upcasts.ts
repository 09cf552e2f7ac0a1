import type { JsonObject, Upcasts } from '../../src/events/upcasts.js';

/** A field under its new name, where it is there under the old one. */
function renamed(
  body: JsonObject,
  from: string,
  to: string,
  value: (old: unknown) => unknown = (old) => old,
): JsonObject {
  if (!(from in body)) return { ...body };
  const { [from]: old, ...others } = body;
  return { ...others, [to]: value(old) };
}

/**
 * What a later version of this service might know. Version 1 of user events had the user as text in `uid`, version 2 had
 * `props` for `metadata`; version 1 of system events had `measure` for `metric_name`.
 */
export const LATER_UPCASTS: Upcasts = {
  user: [
    (body) => renamed(body, 'uid', 'user_id', (uid) => (typeof uid === 'string' ? Number.parseInt(uid, 10) : uid)),
    (body) => renamed(body, 'props', 'metadata'),
  ],
  system: [(body) => renamed(body, 'measure', 'metric_name')],
  api: [],
};
