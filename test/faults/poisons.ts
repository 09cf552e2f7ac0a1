import type { RefusalReason } from '../../src/events/refusals.js';

/** A message that no table takes, as a publisher might send it straight to NATS. */
export interface Poison {
  readonly subject: string;
  readonly payload: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly reason: RefusalReason;
  /** Where a later version of the service, or Postgres without its constraint, takes it. */
  readonly fixed?: true;
}

const LOGIN = 'metrics.events.user.user_login';
const CPU = 'metrics.events.system.billing';
const API = 'metrics.events.api.web';
const HOUR_MS = 3_600_000;

const user = (payload: string | Uint8Array, reason: RefusalReason): Poison => ({ subject: LOGIN, payload, reason });
const metadata = (value: string, reason: RefusalReason): Poison => user(`{"user_id":1,"metadata":${value}}`, reason);
const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const manyKeys = JSON.stringify(Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, 1])));
const at = (time: string, reason: RefusalReason): Poison => user(`{"user_id":1,"occurred_at":"${time}"}`, reason);

/**
 * Every kind of poison that has been thought of.
 *
 * @param nowMs the publisher's clock
 * @param round makes ids of its own for each time
 */
export function allPoisons(nowMs: number, round: number): readonly Poison[] {
  return [
    user('', 'invalid_json'),
    user('hello', 'invalid_json'),
    user('{"user_id":1', 'invalid_json'),
    user('{"user_id":1} x', 'invalid_json'),
    user('x'.repeat(1_000_000), 'invalid_json'),
    user(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'invalid_utf8'),
    user('[1]', 'not_an_object'),
    user('{"__proto__":{"a":1}}', 'forbidden_key'),
    metadata('{"constructor":{"prototype":{"a":1}}}', 'forbidden_key'),
    user('['.repeat(500_000), 'too_deep'),
    metadata(nested(11), 'too_deep'),
    metadata(manyKeys, 'object_too_large'),
    metadata(`{"a":"${'x'.repeat(17_000)}"}`, 'object_too_large'),
    metadata('{"a":"\\u0000"}', 'text_not_storable'),
    metadata('{"a":"\\ud800"}', 'text_not_storable'),
    metadata('{"a":1e400}', 'number_out_of_range'),
    metadata('{"a":9007199254740993}', 'number_out_of_range'),
    user('{"user_id":2147483648}', 'invalid_fields'),
    { subject: API, payload: '{"endpoint":"/","method":"GET","status_code":99}', reason: 'invalid_fields' },
    at('2026-02-30T00:00:00Z', 'time_invalid'),
    at('+275760-09-13T00:00:00Z', 'time_invalid'),
    at(new Date(nowMs + HOUR_MS).toISOString(), 'time_in_future'),
    at(new Date(nowMs - 100 * 24 * HOUR_MS).toISOString(), 'time_too_old'),
    user('{"event_type":"*"}', 'subject_mismatch'),
    { ...user('{}', 'invalid_id'), headers: { 'Nats-Msg-Id': `an id with spaces ${round}` } },
    { ...user('{}', 'invalid_cloudevent'), headers: { 'ce-specversion': '1.0', 'ce-id': 'a', 'ce-source': 's' } },
    { subject: `metrics.events.user.${'x'.repeat(200)}`, payload: '{}', reason: 'invalid_fields' },
    { subject: 'metrics.events.user.nested.type', payload: '{"n":1}', reason: 'unknown_subject', fixed: true },
    { ...user('{"schema_version":2,"user_id":1,"props":{"n":1}}', 'unsupported_version'), fixed: true },
    { ...user('{"user_id":1}', 'unsupported_version'), headers: { 'Metrics-Schema-Version': '3' }, fixed: true },
    { subject: CPU, payload: '{"measure":"cpu_usage","value":1}', reason: 'invalid_fields', fixed: true },
    { subject: 'metrics.events.user.not_for_postgres', payload: '{}', reason: 'refused_by_database', fixed: true },
  ];
}
