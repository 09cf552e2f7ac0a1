import { ApiEventSchema, SystemEventSchema, UserEventSchema } from '../events/kinds.js';
import { PROBLEM_MEDIA_TYPE } from './problems.js';
import { MAX_BATCH_EVENTS } from './read-batch.js';

type Json = Readonly<Record<string, unknown>>;

const reference = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const problem = (description: string): Json => ({
  description,
  content: { [PROBLEM_MEDIA_TYPE]: { schema: reference('Problem') } },
});
const answer = (description: string, schema: Json = { type: 'object' }): Json => ({
  description,
  content: { 'application/json': { schema } },
});

const UNAUTHORIZED = { 401: problem('No valid token'), 403: problem('The token lacks the scope') };
const UNAVAILABLE = { 503: problem('Not now; Retry-After says when') };
const READING = { 400: problem('A parameter is not valid'), ...UNAUTHORIZED, ...UNAVAILABLE };
const WRITING = {
  400: problem('The body cannot be read'),
  ...UNAUTHORIZED,
  413: problem('Too large'),
  415: problem('The content type or encoding is not understood'),
  422: problem('Not valid; errors has the JSON pointers'),
  ...UNAVAILABLE,
};

/** The schema of a kind as REST clients send it: with `kind`, which only user events may leave out. */
function withKind(schema: Json, kind: string): Json {
  const required = kind === 'user' ? [] : ['kind'];
  return { allOf: [schema, { type: 'object', properties: { kind: { const: kind } }, required }] };
}

const query = (name: string, description: string, schema: Json = { type: 'string' }): Json => ({
  name,
  in: 'query',
  description,
  schema,
});

const APPENDED = {
  type: 'object',
  required: ['id', 'stream', 'sequence', 'duplicate'],
  properties: {
    id: { type: 'string' },
    stream: { type: 'string' },
    sequence: { type: 'integer' },
    duplicate: { type: 'boolean', description: 'The stream knew the id already, so nothing was added' },
  },
};

const BATCH_APPENDED = {
  type: 'object',
  required: ['accepted', 'duplicates', 'rejected'],
  properties: {
    accepted: { type: 'integer', description: 'Events that were added' },
    duplicates: { type: 'integer', description: 'Events whose id the stream knew already' },
    rejected: {
      type: 'array',
      items: {
        type: 'object',
        properties: { index: { type: 'integer' }, reason: { type: 'string' }, errors: { type: 'array' } },
      },
    },
  },
};

const PROBLEM = {
  type: 'object',
  description: 'Problem details (RFC 9457)',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    reason: { type: 'string', description: 'The named reason, the same as in dead letters and metrics' },
    errors: {
      type: 'array',
      items: { type: 'object', properties: { pointer: { type: 'string' }, detail: { type: 'string' } } },
    },
  },
};

const EXAMPLE = { event_type: 'user_login', user_id: 1, metadata: { browser: 'chrome', ip: '192.168.1.1' } };

function eventPaths(): Json {
  const event = reference('Event');
  return {
    '/metrics/events': {
      post: {
        summary: 'Append an event',
        requestBody: {
          required: true,
          content: {
            'application/json': { schema: event, example: EXAMPLE },
            'application/cloudevents+json': { schema: { type: 'object' } },
          },
        },
        responses: { 202: answer('JetStream has stored the event', APPENDED), ...WRITING },
      },
    },
    '/metrics/events/batch': {
      post: {
        summary: `Append up to ${MAX_BATCH_EVENTS} events or 8 MiB`,
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: { type: 'object', required: ['events'], properties: { events: { type: 'array', items: event } } },
              example: { events: [EXAMPLE] },
            },
            'application/x-ndjson': { schema: { type: 'string', description: 'An event a line' } },
            'application/cloudevents-batch+json': { schema: { type: 'array', items: { type: 'object' } } },
          },
        },
        responses: { 202: answer('The valid events are stored', BATCH_APPENDED), ...WRITING },
      },
    },
  };
}

function questionPaths(): Json {
  const get = (summary: string, parameters: readonly Json[] = []): Json => ({
    get: { summary, parameters, responses: { 200: answer(summary), ...READING } },
  });
  return {
    '/metrics/summary': get('Users, requests, services and business numbers; percentiles are at most 2 % off', [
      query('window', 'How far back', { enum: ['1h', '24h', '7d', '30d'], default: '24h' }),
    ]),
    '/metrics/services/health': get('Each service, and why it is not healthy'),
    '/metrics/dashboard': get('Series without gaps, at most 500 points each', [
      query('from', 'RFC 3339, or relative as -24h'),
      query('to', 'RFC 3339, relative, or now'),
      query('interval', 'Seconds, or a duration as 5m'),
    ]),
  };
}

function publicPaths(): Json {
  const get = (summary: string, responses: Json): Json => ({ get: { summary, security: [], responses } });
  const scrape = {
    200: { description: 'Exposition format', content: { 'text/plain': { schema: { type: 'string' } } } },
  };
  return {
    '/metrics/prometheus': {
      get: {
        summary: 'For Prometheus; OpenMetrics where it is asked for',
        security: [{}, { scrape: [] }],
        responses: { ...scrape, 401: problem('PROMETHEUS_TOKEN is set, and another one was sent') },
      },
    },
    '/health': get('The process answers', { 200: answer('It does') }),
    '/health/detailed': get('Each server with its latency, each projection with its lag', {
      200: answer('Ready, or degraded because Redis is away'),
      503: answer('Not ready'),
    }),
  };
}

/** The API's description (OpenAPI 3.1), made of the very schemas that events are validated with. */
export function openApiDocument(version: string): Json {
  return {
    openapi: '3.1.0',
    info: { title: 'metrics-service', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths: { ...eventPaths(), ...questionPaths(), ...publicPaths() },
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        scrape: { type: 'http', scheme: 'bearer', description: 'PROMETHEUS_TOKEN, where it is set' },
      },
      schemas: {
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
        Problem: PROBLEM,
      },
    },
  };
}
