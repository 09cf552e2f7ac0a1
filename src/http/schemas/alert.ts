import Type from 'typebox';

const time = (description: string) => Type.String({ format: 'date-time', description });

/** What is published on `metrics.alert`. */
export const AlertSchema = Type.Object(
  {
    id: Type.String({ description: 'Of this transition' }),
    name: Type.String({ description: 'The rule' }),
    status: Type.Union([Type.Literal('firing'), Type.Literal('resolved')]),
    severity: Type.Union([Type.Literal('info'), Type.Literal('warning'), Type.Literal('critical')]),
    condition: Type.String({ description: "The rule's condition, in CEL" }),
    value: Type.Union([Type.Number(), Type.Null()], {
      description: 'The number that the condition is about; null where it has none',
    }),
    labels: Type.Record(Type.String(), Type.String(), {
      description: "The rule's own, and `service_name` where it is by service",
    }),
    starts_at: time('End of the interval at which it began to fire'),
    ends_at: Type.Union([time('End of the interval at which it ceased to'), Type.Null()]),
    evaluated_at: time('The end of the interval that was judged'),
    notification: Type.Array(Type.String(), { description: 'Channels that are told: email, slack, webhook' }),
    summary: Type.String({ description: 'One line for people' }),
  },
  { description: 'A rule began to fire, or ceased to' },
);

export const ALERT_EXAMPLE = {
  id: 'high_error_rate:0f3c9a1d5b7e2468:2026-11-24T12:05:00.000Z:firing',
  name: 'high_error_rate',
  status: 'firing',
  severity: 'critical',
  condition: 'error_rate > 0.05',
  value: 0.08,
  labels: { service_name: 'billing' },
  starts_at: '2026-11-24T12:05:00.000Z',
  ends_at: null,
  evaluated_at: '2026-11-24T12:05:00.000Z',
  notification: ['email', 'slack'],
  summary: 'billing: error_rate > 0.05 (it is 0.08)',
};
