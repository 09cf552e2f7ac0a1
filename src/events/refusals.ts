/**
 * Why an event was not taken. The same name stands in the HTTP answer, in the dead letter's subject and
 * header, in the metric `metrics_service_events_refused_total{reason}` and in the tests.
 */
export const REFUSAL_REASONS = [
  'invalid_utf8',
  'invalid_json',
  'forbidden_key',
  'too_deep',
  'not_an_object',
  'invalid_fields',
  'object_too_large',
  'text_not_storable',
  'number_out_of_range',
  'time_invalid',
  'time_in_future',
  'time_too_old',
  'subject_mismatch',
  'unknown_subject',
  'invalid_id',
  'invalid_cloudevent',
  'unsupported_version',
  'refused_by_database',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** One fault in a body; `pointer` is a JSON pointer (RFC 6901), empty for the whole body. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

export interface Refusal {
  readonly reason: RefusalReason;
  readonly errors: readonly FieldError[];
}

/** The outcome of a step that may refuse its input. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

export function accept<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function refuse(reason: RefusalReason, pointer: string, detail: string): { ok: false; refusal: Refusal } {
  return { ok: false, refusal: { reason, errors: [{ pointer, detail }] } };
}
