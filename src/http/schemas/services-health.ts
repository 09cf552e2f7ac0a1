import Type from 'typebox';
import type { ServiceHealth, ServicesHealth } from '../../queries/services-health.js';
import { describing } from './agreement.js';
import { number, orNull, text, time } from './fields.js';

const status = (description: string) =>
  Type.Union([Type.Literal('healthy'), Type.Literal('degraded'), Type.Literal('down'), Type.Literal('unknown')], {
    description,
  });

export const ServiceHealthSchema = describing<ServiceHealth>()(
  Type.Object(
    {
      service_name: text('The service'),
      status: status('degraded: a threshold is exceeded; unknown: silent for an interval; down: silent for three'),
      reasons: Type.Array(Type.String(), { description: 'Why it is not healthy' }),
      sources: Type.Array(Type.Union([Type.Literal('events'), Type.Literal('nats')]), {
        description: 'Who spoke for it in the last three intervals: events, or its answers as a NATS service',
      }),
      last_seen_at: time('Its newest event'),
      request_rate: number('Requests per second'),
      error_rate: orNull('Requests with a status of 500 or more / requests, 0 to 1'),
      avg_response_time_ms: orNull('Mean response time, milliseconds'),
      p95_response_time_ms: orNull('95th percentile, milliseconds; from buckets, at most 2 % off'),
      cpu_usage: orNull('Latest measurement, percent'),
      memory_usage: orNull('Latest measurement, bytes'),
      nats: Type.Union(
        [
          Type.Object({
            instances: number('Instances that answered'),
            requests: number('Requests since they started'),
            errors: number('Errors since they started'),
            average_processing_time_ms: orNull('Mean over requests, milliseconds'),
          }),
          Type.Null(),
        ],
        { description: 'What it answers to $SRV.STATS; null where it is no NATS service' },
      ),
      db_pool: Type.Object(
        {
          active: orNull('Connections in use'),
          idle: orNull('Connections not in use'),
          max: orNull('Connections at most'),
        },
        { description: 'Latest measurements of its database pool' },
      ),
    },
    { description: 'A service in the last aggregation interval' },
  ),
);

export const ServicesHealthSchema = describing<ServicesHealth>()(
  Type.Object({
    status: status("The worst of the services'; unknown where there is none"),
    generated_at: time('When this was answered'),
    services: Type.Array(ServiceHealthSchema),
  }),
);
