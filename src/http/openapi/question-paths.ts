import { SUMMARY_WINDOWS } from '../../queries/windows.js';
import { SERIES_NAMES } from '../schemas/dashboard.js';
import { DASHBOARD, SERVICES_HEALTH, SUMMARY } from './examples.js';
import { answer, IF_NONE_MATCH, type Json, problems, query, reference, tagged } from './parts.js';

const GUARDED = [
  'invalid_parameter',
  'unauthorized',
  'insufficient_scope',
  'data_unavailable',
  'keys_unavailable',
] as const;
const REFUSED = problems(...GUARDED);
const window = query('window', 'How far back', '24h', { type: 'string', enum: SUMMARY_WINDOWS, default: '24h' });
const PERCENTILES = 'Counts and means are exact; percentiles come from buckets and are at most 2 % off.';

const DASHBOARD_PARAMETERS = [
  query('from', 'Start: RFC 3339, or relative as -15m, -24h or -7d. By default -24h', '-24h'),
  query('to', 'End, exclusive: RFC 3339, relative, or now. By default now', 'now'),
  query(
    'interval',
    'Length of an interval: whole seconds, or 5m, 1h, 1d. By default the shortest of 1m, 2m, 5m, 1h, 2h, 3h, 6h, 12h, 1d, 2d and 7d that makes at most 500 points',
    '1h',
  ),
  query('service', 'Only of this service', 'billing'),
  query('event_type', 'Only user events of this type', 'user_login'),
  query('endpoint', 'Only requests of this route, as answers show it; a path stands for its route', '/pay/:id'),
  query('compare', 'previous: each headline number with that of the period before', 'previous', {
    type: 'string',
    enum: ['previous'],
  }),
  query('format', 'csv: one series as CSV', 'json', { type: 'string', enum: ['json', 'csv'], default: 'json' }),
  query('series', 'Which series, with format=csv', 'requests', { type: 'string', enum: SERIES_NAMES }),
  IF_NONE_MATCH,
];

const STREAM_EXAMPLE = [
  'retry: 3000',
  `event: summary\nid: qz9CJRD-VrwQ6iCQuf58s8SF4IXWbtDvH2cc-z_p0Sw\ndata: ${JSON.stringify(SUMMARY)}`,
  ': heartbeat',
  '',
].join('\n\n');

/** The routes that answer questions about the platform. All need the scope metrics:read. */
export function questionPaths(): Json {
  const csv = { schema: { type: 'string' }, example: 't,value\r\n2026-11-24T11:00:00.000Z,1200\r\n' };
  const dashboard = answer('The dashboard, or a series of it', reference('Dashboard'), DASHBOARD);
  return {
    '/metrics/summary': {
      get: {
        operationId: 'getSummary',
        tags: ['questions'],
        summary: 'How is the platform doing?',
        description: `${PERCENTILES} Needs the scope metrics:read.`,
        parameters: [window, IF_NONE_MATCH],
        responses: { ...tagged(answer('The summary', reference('Summary'), SUMMARY)), ...REFUSED },
      },
    },
    '/metrics/stream': {
      get: {
        operationId: 'streamSummary',
        tags: ['questions'],
        summary: 'The summary whenever it changes',
        description:
          'Server-sent events: `summary` with the state as id, at once and then at most once a second; `unavailable` with a problem while it cannot be had; a comment every 15 s. With `Last-Event-ID` nothing comes until the state is another one. It ends when the token expires. Needs the scope metrics:read.',
        parameters: [
          window,
          {
            name: 'Last-Event-ID',
            in: 'header',
            description: 'The state that the client has',
            schema: { type: 'string' },
          },
        ],
        responses: {
          200: {
            description: 'Events. The data of `summary` is as in GET /metrics/summary, that of `unavailable` a problem',
            content: { 'text/event-stream': { schema: { type: 'string' }, example: STREAM_EXAMPLE } },
          },
          ...problems(...GUARDED, 'too_many_streams'),
        },
      },
    },
    '/metrics/services/health': {
      get: {
        operationId: 'getServicesHealth',
        tags: ['questions'],
        summary: 'Each service, and why it is not healthy',
        description: 'By the last aggregation interval. Needs the scope metrics:read.',
        parameters: [IF_NONE_MATCH],
        responses: { ...tagged(answer('The services', reference('ServicesHealth'), SERVICES_HEALTH)), ...REFUSED },
      },
    },
    '/metrics/dashboard': {
      get: {
        operationId: 'getDashboard',
        tags: ['questions'],
        summary: 'How did the platform do over a stretch of time?',
        description: `Series without gaps, at most 500 points each. ${PERCENTILES} Needs the scope metrics:read.`,
        parameters: DASHBOARD_PARAMETERS,
        responses: {
          ...tagged({ ...dashboard, content: { ...(dashboard.content as Json), 'text/csv': csv } }),
          ...REFUSED,
        },
      },
    },
  };
}
