import type { TObject } from 'typebox';
import { VERSION_HEADER } from '../../events/codec.js';
import { ApiEventSchema, SystemEventSchema, TOKEN_PATTERN, UserEventSchema } from '../../events/kinds.js';
import { DEAD_LETTER_HEADERS } from '../../stream/dead-letters.js';
import { REPLAYED_FROM_HEADER } from '../../stream/replay-letters.js';
import {
  ALERT_SUBJECT,
  ALERTS_STREAM,
  DEAD_LETTER_PREFIX,
  DEAD_LETTERS_STREAM,
  EVENTS_STREAM,
} from '../../stream/streams.js';
import { ALERT_EXAMPLE, AlertSchema } from '../schemas/alert.js';
import { REFUSALS } from '../schemas/refusals.js';
import { DEAD_NOTICE, type Json, text } from './dead-notice.js';

export interface AsyncApiMessage {
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly contentType: string;
  readonly headers: Json;
  readonly payload: Json;
  readonly examples: readonly { readonly name: string; readonly headers?: Json; readonly payload: unknown }[];
}

export interface AsyncApiChannel {
  readonly address: string;
  readonly title: string;
  readonly description: string;
  readonly parameters?: Readonly<Record<string, { readonly description: string; readonly enum?: readonly string[] }>>;
  readonly messages: Readonly<Record<string, { readonly $ref: string }>>;
  readonly 'x-jetstream': { readonly stream: string; readonly keeps: string; readonly deduplicates: string };
}

/** AsyncAPI 3.0, as much of it as this service has. */
export interface AsyncApiDocument {
  readonly asyncapi: '3.0.0';
  readonly info: Json & { readonly title: string; readonly version: string; readonly description: string };
  readonly defaultContentType: string;
  readonly servers: Json;
  readonly channels: Readonly<Record<string, AsyncApiChannel>>;
  readonly operations: Readonly<Record<string, { readonly action: 'send' | 'receive' } & Json>>;
  readonly components: { readonly messages: Readonly<Record<string, AsyncApiMessage>> };
}

const EVENT_HEADERS: Json = {
  type: 'object',
  properties: {
    'Nats-Msg-Id': text('The id of the event; it wins over `ce-id` and the `id` in the body', { maxLength: 128 }),
    'Content-Type': text('`application/cloudevents+json` where the payload is a CloudEvent in structured mode'),
    'ce-specversion': text('A CloudEvent in binary mode; the payload is its data', { const: '1.0' }),
    'ce-id': text('The id of the CloudEvent'),
    'ce-source': text('The source of the CloudEvent'),
    'ce-type': text(
      '`metrics.user.<event_type>.v<n>`, `metrics.system.v<n>` or `metrics.api.v<n>`, n being the version of its shape',
    ),
    'ce-time': text('When it happened, where the data has no `occurred_at`', { format: 'date-time' }),
    [REPLAYED_FROM_HEADER]: text('Of what `metrics deadletters replay` brought in: where in METRICS it came first', {
      pattern: '^[0-9]+$',
    }),
    [VERSION_HEADER]: text('The version of its shape, in the place of `schema_version` in the body', {
      pattern: '^[1-9][0-9]*$',
    }),
  },
};

const { reason, detail, sequence, subject, time, originalId, truncated } = DEAD_LETTER_HEADERS;
const DEAD_LETTER_HEADERS_SCHEMA: Json = {
  type: 'object',
  required: [reason, detail, sequence, subject, time],
  properties: {
    'Nats-Msg-Id': text('`deadletter-<sequence>-<time of storing, ms>`'),
    [reason]: text('Why no table takes it', { enum: Object.keys(REFUSALS) }),
    [detail]: text('What is wrong where, with JSON pointers'),
    [sequence]: text(`Its sequence in ${EVENTS_STREAM}`, { pattern: '^[0-9]+$' }),
    [subject]: text('The subject that it came under'),
    [time]: text('When JetStream stored it', { format: 'date-time' }),
    [originalId]: text('Its `Nats-Msg-Id`, where it had one'),
    [truncated]: text(
      'There where the payload was cut, because the server takes no larger one, or the id, because no header holds it',
      { const: 'true' },
    ),
  },
  description: 'Beside the headers of the original',
};

/** Over NATS the subject names the event type or service, and the body may leave it out. */
function payloadOf(schema: TObject, named: string): Json {
  return { ...schema, required: (schema.required ?? []).filter((field) => field !== named) };
}

const LOG = {
  stream: EVENTS_STREAM,
  keeps: 'METRICS_RETENTION_DAYS; full, it refuses new events',
  deduplicates: 'by Nats-Msg-Id, METRICS_DEDUP_WINDOW seconds; the tables know an id for the day of its time',
};

function eventChannel(kind: string, named: string, message: string, title: string): AsyncApiChannel {
  return {
    address: `metrics.events.${kind}.{${named}}`,
    title,
    description: `Published by services, and by this one for what comes over HTTP. What is not valid goes to ${DEAD_LETTER_PREFIX}.`,
    parameters: { [named]: { description: `Matches ${TOKEN_PATTERN}` } },
    messages: { [message]: { $ref: `#/components/messages/${message}` } },
    'x-jetstream': LOG,
  };
}

const CHANNELS = {
  userEvents: eventChannel('user', 'event_type', 'UserEvent', 'Something that a user did'),
  systemEvents: eventChannel('system', 'service_name', 'SystemEvent', 'Measurements that services take of themselves'),
  apiEvents: eventChannel('api', 'service_name', 'ApiEvent', 'Requests that services answered'),
  alerts: {
    address: ALERT_SUBJECT,
    title: 'Alerts',
    description: 'A rule began to fire, or ceased to.',
    messages: { Alert: { $ref: '#/components/messages/Alert' } },
    'x-jetstream': {
      stream: ALERTS_STREAM,
      keeps: '1 year',
      deduplicates: 'by Nats-Msg-Id, made of rule, labels, starts_at and status; 1 day',
    },
  },
  deadLetters: {
    address: `${DEAD_LETTER_PREFIX}.{reason}`,
    title: 'Dead letters',
    description: 'Messages of the log that no table takes, as they came, with the reason.',
    parameters: { reason: { description: 'Why no table takes it', enum: Object.keys(REFUSALS) } },
    messages: { DeadLetter: { $ref: '#/components/messages/DeadLetter' } },
    'x-jetstream': { stream: DEAD_LETTERS_STREAM, keeps: '30 days', deduplicates: 'by Nats-Msg-Id, 1 day' },
  },
  deadNotices: {
    address: `${DEAD_LETTER_PREFIX}.notification_failed`,
    title: 'Notices that were given up',
    description: 'What a channel was to be told of alerts, and was not.',
    messages: { DeadNotice: { $ref: '#/components/messages/DeadNotice' } },
    'x-jetstream': { stream: DEAD_LETTERS_STREAM, keeps: '30 days', deduplicates: 'by Nats-Msg-Id, 1 day' },
  },
} as const satisfies Readonly<Record<string, AsyncApiChannel>>;

const JSON_TYPE = 'application/json';

const MESSAGES: readonly AsyncApiMessage[] = [
  {
    name: 'UserEvent',
    title: 'User event',
    summary: 'Something that a user did',
    contentType: JSON_TYPE,
    headers: EVENT_HEADERS,
    payload: payloadOf(UserEventSchema, 'event_type'),
    examples: [
      {
        name: 'on metrics.events.user.user_login',
        headers: { 'Nats-Msg-Id': 'login-1' },
        payload: { user_id: 1, metadata: { browser: 'chrome' } },
      },
      {
        name: 'a CloudEvent in binary mode',
        headers: {
          'ce-specversion': '1.0',
          'ce-id': 'login-2',
          'ce-source': '/web',
          'ce-type': 'metrics.user.user_login.v1',
          'ce-time': '2026-11-24T12:00:00.000Z',
        },
        payload: { user_id: 1 },
      },
    ],
  },
  {
    name: 'SystemEvent',
    title: 'System event',
    summary: 'A measurement that a service took of itself',
    contentType: JSON_TYPE,
    headers: EVENT_HEADERS,
    payload: payloadOf(SystemEventSchema, 'service_name'),
    examples: [{ name: 'on metrics.events.system.billing', payload: { metric_name: 'cpu_usage', value: 12.5 } }],
  },
  {
    name: 'ApiEvent',
    title: 'API event',
    summary: 'A request that a service answered',
    contentType: JSON_TYPE,
    headers: EVENT_HEADERS,
    payload: payloadOf(ApiEventSchema, 'service_name'),
    examples: [
      {
        name: 'on metrics.events.api.billing',
        payload: { endpoint: '/pay', method: 'POST', status_code: 201, response_time_ms: 3.2 },
      },
    ],
  },
  {
    name: 'Alert',
    title: 'Alert',
    summary: 'A rule began to fire, or ceased to',
    contentType: JSON_TYPE,
    headers: { type: 'object', required: ['Nats-Msg-Id'], properties: { 'Nats-Msg-Id': text('Of this transition') } },
    payload: { ...AlertSchema },
    examples: [{ name: 'firing', headers: { 'Nats-Msg-Id': ALERT_EXAMPLE.id }, payload: ALERT_EXAMPLE }],
  },
  {
    name: 'DeadLetter',
    title: 'Dead letter',
    summary: 'A message that no table takes',
    contentType: 'application/octet-stream',
    headers: DEAD_LETTER_HEADERS_SCHEMA,
    payload: { type: 'string', description: 'The bytes of the original, whatever they are' },
    examples: [
      {
        name: 'no JSON',
        headers: {
          [reason]: 'invalid_json',
          [detail]: 'must be JSON',
          [sequence]: '42',
          [subject]: 'metrics.events.user.user_login',
          [time]: '2026-11-24T12:00:00.000Z',
        },
        payload: '{"user_id":',
      },
    ],
  },
  DEAD_NOTICE,
];

const operation = (action: 'send' | 'receive', channel: keyof typeof CHANNELS, summary: string) => ({
  action,
  channel: { $ref: `#/channels/${channel}` },
  summary,
});

/** What comes and goes over NATS, made of the very schemas that events are validated with. */
export function asyncApiDocument(version: string): AsyncApiDocument {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'metrics-service',
      version,
      description:
        'Events come in as JSON, or as CloudEvents 1.0 in structured or binary mode. Subjects of other services that ' +
        'config/sources.yaml names come in, too, as user events. Publish with an acknowledgement of JetStream: what has none is not stored.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: JSON_TYPE,
    servers: { nats: { host: 'localhost:4222', protocol: 'nats', description: 'NATS with JetStream: NATS_URL' } },
    channels: CHANNELS,
    operations: {
      receiveUserEvents: operation('receive', 'userEvents', 'Counts what users did'),
      receiveSystemEvents: operation('receive', 'systemEvents', 'Keeps what services measured'),
      receiveApiEvents: operation('receive', 'apiEvents', 'Counts requests'),
      sendAlerts: operation('send', 'alerts', 'Tells that a rule fires, or no longer does'),
      sendDeadLetters: operation('send', 'deadLetters', 'Parks what no table takes'),
      sendDeadNotices: operation('send', 'deadNotices', 'Parks what no channel took'),
    },
    components: { messages: Object.fromEntries(MESSAGES.map((message) => [message.name, message])) },
  };
}
