import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { parseJson } from '../events/json.js';

const Text = Type.String({ maxLength: 1_000 });
const Time = Type.String({ format: 'date-time' });

/** What every action has. */
const common = {
  id: Text,
  at: Time,
  /** Who did it: the `sub` of a token, or the name of a channel. */
  by: Text,
  comment: Type.String({ maxLength: 1_000 }),
};

const AcknowledgedSchema = Type.Object({
  type: Type.Literal('acknowledged'),
  ...common,
  /** The id of the transition with which the alert began to fire. */
  alert_id: Text,
});

const SilencedSchema = Type.Object({
  type: Type.Literal('silenced'),
  ...common,
  /** Label → exact value; `alertname` is the rule's name, `severity` its severity. */
  matchers: Type.Record(Type.String(), Type.String()),
  /** Null where it is until what fires has resolved. */
  until: Type.Union([Time, Type.Null()]),
});

const SilenceEndedSchema = Type.Object({
  type: Type.Literal('silence_ended'),
  ...common,
  silence_id: Text,
});

/** A notice was delivered: what a channel was told, and about which alerts. */
const NotifiedSchema = Type.Object({
  type: Type.Literal('notified'),
  ...common,
  channel: Text,
  group_key: Text,
  alerts: Type.Array(
    Type.Object({
      /** The id of the transition with which the alert began to fire. */
      alert_id: Text,
      status: Type.Union([Type.Literal('firing'), Type.Literal('resolved')]),
    }),
  ),
});

const action = Compile(Type.Union([AcknowledgedSchema, SilencedSchema, SilenceEndedSchema, NotifiedSchema]));

export type Acknowledged = Static<typeof AcknowledgedSchema>;
export type Silenced = Static<typeof SilencedSchema>;
export type SilenceEnded = Static<typeof SilenceEndedSchema>;
export type Notified = Static<typeof NotifiedSchema>;
/** What people and notifiers did about alerts, as METRICS_ALERT_ACTIONS tells it. */
export type AlertAction = Acknowledged | Silenced | SilenceEnded | Notified;

export function encodeAction(value: AlertAction): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** Reads a message of METRICS_ALERT_ACTIONS; undefined where it is none of the service's own. */
export function decodeAction(data: Uint8Array): AlertAction | undefined {
  const parsed = parseJson(data);
  return parsed.ok && action.Check(parsed.value) ? parsed.value : undefined;
}
