import type { RefusalReason } from '../../events/refusals.js';

/** Each reason to refuse an event, for people. The compiler holds this list to that of the reasons. */
export const REFUSALS: Readonly<Record<RefusalReason, string>> = {
  invalid_utf8: 'The bytes are no UTF-8',
  invalid_json: 'The text is no JSON',
  forbidden_key: '`__proto__` or `constructor.prototype` is in it',
  too_deep: 'It is nested too deeply',
  not_an_object: 'It is no JSON object',
  invalid_fields: 'A field is missing or not as its schema says',
  object_too_large: '`metadata` or `tags` is too large',
  text_not_storable: 'A text has U+0000 or a lone surrogate',
  number_out_of_range: 'A number is beyond 2^53 - 1',
  time_invalid: '`occurred_at` is no RFC 3339 time',
  time_in_future: '`occurred_at` is more than 5 minutes ahead',
  time_too_old: '`occurred_at` is older than the retention',
  subject_mismatch: 'The body names another event type or service than its subject',
  unknown_subject: 'The subject is not one that events come under',
  invalid_id: 'The id is not 1 to 128 printable ASCII characters without spaces',
  invalid_cloudevent: 'It is no CloudEvent of a known type',
  unsupported_version: 'Its version is newer than this service knows',
  refused_by_database: 'Postgres does not take the row',
};
