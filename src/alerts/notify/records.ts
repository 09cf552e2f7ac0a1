import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { parseJson } from '../../events/json.js';
import type { Channel } from '../rule.js';

const Text = Type.String({ maxLength: 1_000 });
const AlertAndStatus = Type.Object({
  /** The id of the transition with which the alert began to fire. */
  alert_id: Text,
  status: Type.Union([Type.Literal('firing'), Type.Literal('resolved')]),
});

/**
 * What one channel did with a group, in METRICS_ALERT_ACTIONS. It is the channel's memory: who leads next goes on behind
 * `through_sequence`, and knows what was told.
 */
const NotifiedRecordSchema = Type.Object({
  type: Type.Literal('notified'),
  id: Text,
  at: Type.String({ format: 'date-time' }),
  by: Text,
  comment: Text,
  channel: Text,
  /** `started` is where a new channel begins: the past is not told. */
  outcome: Type.Union([
    Type.Literal('started'),
    Type.Literal('sent'),
    Type.Literal('skipped'),
    Type.Literal('dead_lettered'),
  ]),
  /** Key of the notice, as the receiver got it. */
  group_key: Text,
  /** Sequence in METRICS_ALERTS up to which everything is done with. */
  through_sequence: Type.Integer({ minimum: 0 }),
  /** What was told. */
  alerts: Type.Array(AlertAndStatus),
  /** What was tried to tell, and given up. */
  given_up: Type.Array(AlertAndStatus),
  /** What was not told, by the transition's id, and why. */
  not_told: Type.Array(Type.Object({ id: Text, reason: Text })),
});

export type NotifiedRecord = Static<typeof NotifiedRecordSchema>;

const record = Compile(NotifiedRecordSchema);

export function encodeRecord(value: NotifiedRecord): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** Reads a message of METRICS_ALERT_ACTIONS; undefined for what is no record of this channel. */
export function parseRecord(data: Uint8Array, channel: Channel): NotifiedRecord | undefined {
  const parsed = parseJson(data);
  return parsed.ok && record.Check(parsed.value) && parsed.value.channel === channel ? parsed.value : undefined;
}
