import { AcknowledgementSchema, SilenceSchema } from '../read-alert-body.js';
import { ACKNOWLEDGED_EXAMPLE, ALERTS_EXAMPLE, SILENCED_EXAMPLE, SILENCES_EXAMPLE } from '../schemas/alerts.js';
import { answer, IF_NONE_MATCH, type Json, problems, query, reference, tagged } from './parts.js';

const READ = problems('invalid_parameter', 'unauthorized', 'insufficient_scope', 'keys_unavailable');
const WRITE = ['unauthorized', 'insufficient_scope', 'log_unavailable', 'keys_unavailable'] as const;
const BODY = ['malformed_body', 'body_too_large', 'unsupported_media_type', 'invalid_body'] as const;

const id = (description: string): Json => ({
  name: 'id',
  in: 'path',
  required: true,
  description,
  schema: { type: 'string' },
});

const json = (schema: object, example: unknown): Json => ({ 'application/json': { schema, example } });

/** The routes about alerts. */
export function alertPaths(): Json {
  return {
    '/metrics/alerts': {
      get: {
        operationId: 'getAlerts',
        tags: ['alerts'],
        summary: 'What fires, and what has fired?',
        description: 'Alerts that fired in the range, for a year back. Needs the scope metrics:read.',
        parameters: [
          query('status', 'Only these', 'firing', { type: 'string', enum: ['firing', 'resolved'] }),
          query('from', 'Start: RFC 3339, or relative as -15m, -24h or -7d. By default -24h', '-24h'),
          query('to', 'End: RFC 3339, relative, or now. By default now', 'now'),
          IF_NONE_MATCH,
        ],
        responses: { ...tagged(answer('The alerts', reference('Alerts'), ALERTS_EXAMPLE)), ...READ },
      },
    },
    '/metrics/alerts/{id}/ack': {
      post: {
        operationId: 'acknowledgeAlert',
        tags: ['alerts'],
        summary: 'Say that somebody sees to it',
        description: 'It is not told again while it fires. Again changes nothing. Needs the scope metrics:write.',
        parameters: [id('The alert, as GET /metrics/alerts names it')],
        requestBody: { required: false, content: json(AcknowledgementSchema, { comment: 'looking into it' }) },
        responses: {
          200: answer('It is acknowledged', reference('Acknowledged'), ACKNOWLEDGED_EXAMPLE),
          ...problems(...WRITE, ...BODY, 'not_found', 'alert_resolved'),
        },
      },
    },
    '/metrics/alerts/silences': {
      get: {
        operationId: 'getSilences',
        tags: ['alerts'],
        summary: 'What is silenced?',
        description: 'Silences that hold now. Needs the scope metrics:read.',
        parameters: [IF_NONE_MATCH],
        responses: { ...tagged(answer('The silences', reference('Silences'), SILENCES_EXAMPLE)), ...READ },
      },
      post: {
        operationId: 'silenceAlerts',
        tags: ['alerts'],
        summary: 'Silence alerts by their labels',
        description:
          'Nobody is told of them until a time, or until those that fire now have resolved; they are published and shown all the same. Needs the scope metrics:write.',
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: SilenceSchema,
              examples: {
                time: {
                  value: {
                    matchers: { service_name: 'billing' },
                    until: '2026-11-24T13:00:00Z',
                    comment: 'deploying',
                  },
                },
                resolved: { value: { matchers: { alertname: 'high_error_rate' }, until_resolved: true } },
              },
            },
          },
        },
        responses: {
          201: answer('They are silenced', reference('Silenced'), SILENCED_EXAMPLE),
          ...problems(...WRITE, ...BODY, 'nothing_fires', 'too_many_silences'),
        },
      },
    },
    '/metrics/alerts/silences/{id}': {
      delete: {
        operationId: 'endSilence',
        tags: ['alerts'],
        summary: 'End a silence',
        description: 'One that has ended is fine. Needs the scope metrics:write.',
        parameters: [id('The silence')],
        responses: { 204: { description: 'It holds no longer' }, ...problems(...WRITE, 'not_found') },
      },
    },
  };
}
