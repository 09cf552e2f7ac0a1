import { CLOUDEVENT_MEDIA_TYPE, CLOUDEVENTS_BATCH_MEDIA_TYPE, MAX_BATCH_EVENTS } from '../read-batch.js';
import { API_EVENT, APPENDED, BATCH, CLOUD_EVENT, EVENT, SYSTEM_EVENT } from './examples.js';
import { answer, type Json, problems, reference } from './parts.js';

const REFUSED = problems(
  'malformed_body',
  'unauthorized',
  'insufficient_scope',
  'body_too_large',
  'unsupported_media_type',
  'invalid_event',
  'log_unavailable',
  'keys_unavailable',
);
const BATCH_REFUSED = problems(
  'malformed_body',
  'unauthorized',
  'insufficient_scope',
  'body_too_large',
  'unsupported_media_type',
  'no_valid_event',
  'log_unavailable',
  'keys_unavailable',
);
const ndjson = { schema: { type: 'string', description: 'An event a line' }, example: `${JSON.stringify(EVENT)}\n` };

/** The routes that take events. */
export function eventPaths(): Json {
  return {
    '/metrics/events': {
      post: {
        operationId: 'appendEvent',
        tags: ['events'],
        summary: 'Append an event',
        description:
          'A user event unless `kind` says otherwise, or a CloudEvent 1.0: structured by its media type, binary by the headers `ce-specversion`, `ce-id`, `ce-source`, `ce-type` and `ce-time`. Needs the scope metrics:write.',
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: reference('Event'),
              examples: {
                user: { value: EVENT },
                system: { value: SYSTEM_EVENT },
                api: { value: API_EVENT },
              },
            },
            [CLOUDEVENT_MEDIA_TYPE]: { schema: reference('CloudEvent'), example: CLOUD_EVENT },
          },
        },
        responses: { 202: answer('JetStream has stored the event', reference('Appended'), APPENDED), ...REFUSED },
      },
    },
    '/metrics/events/batch': {
      post: {
        operationId: 'appendEvents',
        tags: ['events'],
        summary: `Append up to ${MAX_BATCH_EVENTS} events or 8 MiB`,
        description: 'Events that are not valid do not touch those that are. Needs the scope metrics:write.',
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: {
                type: 'object',
                required: ['events'],
                properties: { events: { type: 'array', maxItems: MAX_BATCH_EVENTS, items: reference('Event') } },
              },
              example: { events: [EVENT, SYSTEM_EVENT, API_EVENT] },
            },
            'application/x-ndjson': ndjson,
            'application/ndjson': ndjson,
            [CLOUDEVENTS_BATCH_MEDIA_TYPE]: {
              schema: { type: 'array', maxItems: MAX_BATCH_EVENTS, items: reference('CloudEvent') },
              example: [CLOUD_EVENT],
            },
          },
        },
        responses: { 202: answer('The valid events are stored', reference('BatchAppended'), BATCH), ...BATCH_REFUSED },
      },
    },
  };
}
