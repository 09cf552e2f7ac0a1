import { STATUS } from './examples.js';
import { answer, IF_NONE_MATCH, type Json, problems, reference, tagged } from './parts.js';

const EXPOSITION = {
  schema: { type: 'string' },
  example: '# TYPE platform_events_total counter\nplatform_events_total{event_type="user_login"} 480\n',
};

/** A route that asks for no token. */
function open(
  operationId: string,
  tag: string,
  summary: string,
  responses: Json,
  parameters: readonly Json[] = [],
): Json {
  return { get: { operationId, tags: [tag], summary, security: [], parameters, responses } };
}

function file(operationId: string, summary: string, contentType: string): Json {
  const type = contentType === 'application/json' ? 'object' : 'string';
  const response = { description: summary, content: { [contentType]: { schema: { type } } } };
  return open(operationId, 'documentation', summary, { ...tagged(response), ...problems() }, [IF_NONE_MATCH]);
}

function assets(operationId: string, summary: string): Json {
  const name = {
    name: 'name',
    in: 'path',
    required: true,
    description: 'One of a fixed list',
    schema: { type: 'string' },
  };
  const types = ['text/javascript', 'text/css', 'image/png', 'image/svg+xml', 'font/woff2'];
  const content = Object.fromEntries(types.map((type) => [type, { schema: { type: 'string' } }]));
  const responses = { ...tagged({ description: summary, content }), ...problems('not_found') };
  return open(operationId, 'documentation', summary, responses, [name, IF_NONE_MATCH]);
}

/** 503 tells how the service is; once it stops, it is the problem that it is everywhere. */
function notReady(): Json {
  const status = answer('Not ready', reference('Status'), { ...STATUS, status: 'down' });
  const stopping = problems()[503] as Json;
  return { ...stopping, ...status, content: { ...(stopping.content as Json), ...(status.content as Json) } };
}

/** The routes for whoever runs the service, and for readers. */
export function publicPaths(): Json {
  return {
    '/metrics/prometheus': {
      get: {
        operationId: 'scrape',
        tags: ['operating'],
        summary: 'For Prometheus; OpenMetrics where it is asked for',
        security: [{}, { scrape: [] }],
        responses: {
          200: {
            description: 'Exposition format',
            content: {
              'text/plain': EXPOSITION,
              'application/openmetrics-text': { ...EXPOSITION, example: `${EXPOSITION.example}# EOF\n` },
            },
          },
          ...problems('unauthorized'),
        },
      },
    },
    '/health': open('isAlive', 'operating', 'The process answers', {
      200: answer('It does', reference('Alive'), { status: 'ok' }),
      ...problems(),
    }),
    '/health/detailed': open('isReady', 'operating', 'Each server with its latency, each projection with its lag', {
      ...problems(),
      200: answer('Ready, or degraded because Redis is away', reference('Status'), STATUS),
      503: notReady(),
    }),
    '/openapi.json': file('openApi', 'This document', 'application/json'),
    '/asyncapi.json': file('asyncApi', 'What comes and goes over NATS, as AsyncAPI 3.0', 'application/json'),
    '/docs': file('docsPage', 'This document in Swagger UI', 'text/html'),
    '/docs/{name}': assets('docsFile', 'What that page loads'),
    '/redoc': file('redocPage', 'This document in ReDoc', 'text/html'),
    '/redoc/{name}': assets('redocFile', 'What that page loads'),
    '/asyncapi': file('asyncApiPage', 'The AsyncAPI document for people', 'text/html'),
    '/asyncapi/{name}': assets('asyncApiFile', 'What that page loads'),
    '/': file('page', 'The page with the numbers', 'text/html'),
    '/assets/{name}': assets('pageFile', 'What that page loads'),
  };
}
