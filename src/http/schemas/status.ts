import Type from 'typebox';
import type { OperationalStatus } from '../../queries/get-status.js';
import { describing } from './agreement.js';
import { count, orNull, text, textOrNull, time } from './fields.js';

const ComponentSchema = Type.Object({
  status: Type.Union([Type.Literal('up'), Type.Literal('down')]),
  latency_ms: orNull('How long its answer took, milliseconds; null where none came'),
});

const ProjectionSchema = Type.Object(
  {
    name: Type.Union([Type.Literal('tables'), Type.Literal('summaries'), Type.Literal('sessions')]),
    state: text('halted and ahead_of_log need a person; unknown: another process runs it, or its server is away'),
    reason: textOrNull('Why it has halted'),
    sequence: orNull('How far it is in the log'),
    lag_events: orNull('How many events of the log it has not folded in'),
    lag_seconds: orNull('Age of the oldest of them, seconds'),
    events_per_second: orNull('How fast it moves: over the past minute, or since this process was asked before'),
    epoch: orNull('Number of its leader'),
    holder: textOrNull('Its leader'),
  },
  { description: 'A fold of the log' },
);

const StreamSchema = Type.Object({
  name: text('The stream'),
  messages: count('Messages that it holds'),
  bytes: count('Its size, bytes'),
  first_sequence: count('Of its oldest message'),
  last_sequence: count('Of its newest message'),
  oldest_at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], { description: 'When it was stored' }),
});

export const StatusSchema = describing<OperationalStatus>()(
  Type.Object({
    status: Type.Union([Type.Literal('ok'), Type.Literal('degraded'), Type.Literal('down')], {
      description: 'degraded: everything is answered, but Redis is away',
    }),
    generated_at: time('When this was answered'),
    components: Type.Object({ nats: ComponentSchema, postgres: ComponentSchema, redis: ComponentSchema }),
    projections: Type.Array(ProjectionSchema),
    streams: Type.Array(StreamSchema),
  }),
);

export const AliveSchema = describing<{ readonly status: 'ok' }>()(Type.Object({ status: Type.Literal('ok') }));
