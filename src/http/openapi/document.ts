import { ApiEventSchema, SystemEventSchema, UserEventSchema } from '../../events/kinds.js';
import { AcknowledgedSchema, AlertsSchema, SilencedSchema, SilencesSchema } from '../schemas/alerts.js';
import { AppendedSchema, BatchSchema } from '../schemas/appended.js';
import { DashboardSchema } from '../schemas/dashboard.js';
import { ServicesHealthSchema } from '../schemas/services-health.js';
import { AliveSchema, StatusSchema } from '../schemas/status.js';
import { SummarySchema } from '../schemas/summary.js';
import { alertPaths } from './alert-paths.js';
import { eventPaths } from './event-paths.js';
import { type Json, PROBLEM_SCHEMA, reference } from './parts.js';
import { publicPaths } from './public-paths.js';
import { questionPaths } from './question-paths.js';

/** The schema of a kind as REST clients send it: with `kind`, which only user events may leave out. */
function withKind(schema: Json, kind: string): Json {
  const required = kind === 'user' ? [] : ['kind'];
  return {
    title: `${kind} event`,
    allOf: [schema, { type: 'object', properties: { kind: { const: kind } }, required }],
  };
}

const CLOUD_EVENT_SCHEMA = {
  type: 'object',
  description: 'A CloudEvent 1.0 in structured mode',
  required: ['specversion', 'id', 'source', 'type', 'data'],
  properties: {
    specversion: { const: '1.0' },
    id: { type: 'string', maxLength: 128 },
    source: { type: 'string' },
    type: {
      type: 'string',
      description:
        'metrics.user.<event_type>.v<n>, metrics.system.v<n> or metrics.api.v<n>, n being the version of its shape',
    },
    time: { type: 'string', format: 'date-time', description: 'Taken where the data has no occurred_at' },
    data: { type: 'object', description: "The event's fields" },
  },
};

const SCHEMAS = {
  UserEvent: UserEventSchema,
  SystemEvent: SystemEventSchema,
  ApiEvent: ApiEventSchema,
  Event: {
    anyOf: [
      withKind(reference('UserEvent'), 'user'),
      withKind(reference('SystemEvent'), 'system'),
      withKind(reference('ApiEvent'), 'api'),
    ],
  },
  CloudEvent: CLOUD_EVENT_SCHEMA,
  Appended: AppendedSchema,
  BatchAppended: BatchSchema,
  Summary: SummarySchema,
  ServicesHealth: ServicesHealthSchema,
  Dashboard: DashboardSchema,
  Alerts: AlertsSchema,
  Acknowledged: AcknowledgedSchema,
  Silences: SilencesSchema,
  Silenced: SilencedSchema,
  Status: StatusSchema,
  Alive: AliveSchema,
  Problem: PROBLEM_SCHEMA,
};

/**
 * The API's description (OpenAPI 3.1), made of the schemas that events are validated with and of those that the compiler
 * holds to the answers' types.
 */
export function openApiDocument(version: string): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'metrics-service',
      version,
      description: 'Metrics and analytics of a platform. Errors are problem details (RFC 9457).',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: [
      { name: 'events', description: 'Sending events' },
      { name: 'questions', description: 'Asking about the platform' },
      { name: 'alerts', description: 'What fires, and what is done about it' },
      { name: 'operating', description: 'The service itself' },
      { name: 'documentation', description: 'Pages and documents' },
    ],
    paths: { ...eventPaths(), ...questionPaths(), ...alertPaths(), ...publicPaths() },
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        scrape: { type: 'http', scheme: 'bearer', description: 'PROMETHEUS_TOKEN, where it is set' },
      },
      schemas: SCHEMAS,
    },
  };
}
