import Type from 'typebox';
import type { AlertsAnswer, SilencesAnswer } from '../../queries/get-alerts.js';
import type { AcknowledgedAnswer, SilencedAnswer } from '../alerts-controller.js';
import { describing } from './agreement.js';
import { flag, orNull, text, textOrNull, time } from './fields.js';

const STATUS = Type.Union([Type.Literal('firing'), Type.Literal('resolved')]);
const MATCHERS = Type.Record(Type.String(), Type.String(), {
  description: "Label → exact value; alertname is the rule's name, severity its severity",
});

export const AlertsSchema = describing<AlertsAnswer>()(
  Type.Object(
    {
      generated_at: time('When this was answered'),
      from: time('Start of the range'),
      to: time('End of the range'),
      alerts: Type.Array(
        Type.Object({
          id: text('The alert, from its start to its end'),
          name: text('The rule'),
          status: STATUS,
          severity: text('info, warning or critical'),
          condition: text("The rule's condition, in CEL"),
          value: orNull('The number that the condition is about, at the latest change; null where it has none'),
          labels: Type.Record(Type.String(), Type.String(), {
            description: "The rule's own, and service_name where it is by service",
          }),
          starts_at: time('When it began to fire'),
          ends_at: textOrNull('When it ceased to; null while it fires'),
          evaluated_at: time('End of the interval that was judged'),
          notification: Type.Array(Type.String(), { description: 'Channels that the rule names' }),
          summary: text('One line for people'),
          acknowledged: Type.Union([
            Type.Object({ by: text('Who'), at: time('When'), comment: text('What they said') }),
            Type.Null(),
          ]),
          told: Type.Array(
            Type.Object({ channel: text('email, slack or webhook'), status: STATUS, at: time('When') }),
            { description: 'What each channel was told last' },
          ),
          silenced_by: Type.Array(Type.String(), { description: 'Silences that cover it now' }),
        }),
        { description: 'Those that fired in the range, the latest first; 1,000 at most' },
      ),
      complete: flag('Whether these are all, and not the latest of more'),
    },
    { description: 'What fires, and what has fired' },
  ),
);

export const SilencesSchema = describing<SilencesAnswer>()(
  Type.Object(
    {
      generated_at: time('When this was answered'),
      silences: Type.Array(
        Type.Object({
          id: text('The silence'),
          made_at: time('When it was made'),
          by: text('Who made it'),
          comment: text('Why'),
          matchers: MATCHERS,
          until: textOrNull('When it ends; null: when the alerts that fired when it was made have resolved'),
          covers: Type.Array(Type.String(), { description: 'Alerts that fire and that it covers' }),
        }),
        { description: 'The latest first' },
      ),
    },
    { description: 'What is silenced now' },
  ),
);

export const AcknowledgedSchema = describing<AcknowledgedAnswer>()(
  Type.Object({
    id: text('The alert'),
    by: text('Who acknowledged it first: the sub of the token'),
    at: time('When'),
    comment: text('What they said'),
  }),
);

export const SilencedSchema = describing<SilencedAnswer>()(
  Type.Object({
    id: text('The silence'),
    by: text('Who made it: the sub of the token'),
    at: time('When'),
    comment: text('Why'),
    matchers: MATCHERS,
    until: textOrNull('When it ends; null: when the alerts that fire now have resolved'),
  }),
);

const ALERT_ID = 'high_error_rate:0f3c9a1d5b7e2468:2026-11-24T12:00:00.000Z:firing';
const SILENCE_ID = '5f0c1b7e-8a46-4a53-9a43-0e2f7a8f3c11';

export const ALERTS_EXAMPLE: AlertsAnswer = {
  generated_at: '2026-11-24T12:01:00.000Z',
  from: '2026-11-23T12:00:00.000Z',
  to: '2026-11-24T12:01:00.000Z',
  alerts: [
    {
      id: ALERT_ID,
      name: 'high_error_rate',
      status: 'firing',
      severity: 'critical',
      condition: 'error_rate > 0.05',
      value: 0.08,
      labels: { service_name: 'billing' },
      starts_at: '2026-11-24T12:00:00.000Z',
      ends_at: null,
      evaluated_at: '2026-11-24T12:00:00.000Z',
      notification: ['email', 'slack'],
      summary: 'billing: error_rate > 0.05 (it is 0.08)',
      acknowledged: { by: 'alex', at: '2026-11-24T12:00:40.000Z', comment: 'looking into it' },
      told: [{ channel: 'email', status: 'firing', at: '2026-11-24T12:00:31.000Z' }],
      silenced_by: [SILENCE_ID],
    },
  ],
  complete: true,
};

export const SILENCES_EXAMPLE: SilencesAnswer = {
  generated_at: '2026-11-24T12:01:00.000Z',
  silences: [
    {
      id: SILENCE_ID,
      made_at: '2026-11-24T12:00:50.000Z',
      by: 'alex',
      comment: 'deploying',
      matchers: { service_name: 'billing' },
      until: '2026-11-24T13:00:00.000Z',
      covers: [ALERT_ID],
    },
  ],
};

export const ACKNOWLEDGED_EXAMPLE: AcknowledgedAnswer = {
  id: ALERT_ID,
  by: 'alex',
  at: '2026-11-24T12:00:40.000Z',
  comment: 'looking into it',
};

export const SILENCED_EXAMPLE: SilencedAnswer = {
  id: SILENCE_ID,
  by: 'alex',
  at: '2026-11-24T12:00:50.000Z',
  comment: 'deploying',
  matchers: { service_name: 'billing' },
  until: '2026-11-24T13:00:00.000Z',
};
