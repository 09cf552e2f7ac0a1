import Type, { type Static } from 'typebox';

/**
 * The three kinds of event, each defined once: the JSON schema below validates HTTP bodies and NATS
 * messages, stands in OpenAPI, and gives the TypeScript type.
 */

/** A token that may stand in a NATS subject; whatever does not match never reaches one. */
export const TOKEN_PATTERN = '^[A-Za-z0-9_-]{1,100}$';
const INT32 = { minimum: -2_147_483_648, maximum: 2_147_483_647 };

const token = (description: string) => Type.String({ pattern: TOKEN_PATTERN, description });
const userId = () => Type.Optional(Type.Integer({ ...INT32, description: 'The user, an int32' }));
/** One tebibyte. Together with the size of a batch it keeps every sum in a summary delta exact (below 2^53). */
export const MAX_BYTES_PER_MESSAGE = 2 ** 40;
const byteCount = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_BYTES_PER_MESSAGE, description }));
const freeObject = (description: string) => Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description }));

const common = {
  schema_version: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        'The version of the shape that the event has; left out, it is 1. Older ones are lifted to that of today',
    }),
  ),
  id: Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{1,128}$',
      description: "The publisher's id of this event, for deduplication: printable ASCII without spaces",
    }),
  ),
  occurred_at: Type.Optional(
    Type.String({
      maxLength: 40,
      description: 'RFC 3339 date and time. Left out, the time at which JetStream stored the event is taken',
    }),
  ),
};

export const UserEventSchema = Type.Object(
  {
    ...common,
    event_type: token('What happened, for example user_login'),
    user_id: userId(),
    metadata: freeObject('At most 64 keys an object, 10 levels, 16 KB'),
  },
  { description: 'Something that a user did' },
);

export const SystemEventSchema = Type.Object(
  {
    ...common,
    service_name: token('The service that reports'),
    metric_name: token('For example cpu_usage (percent), memory_usage (bytes), response_time (ms)'),
    value: Type.Number({ minimum: -Number.MAX_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
    tags: freeObject('At most 64 keys an object, 10 levels, 16 KB'),
  },
  { description: 'A measurement that a service took of itself' },
);

export const ApiEventSchema = Type.Object(
  {
    ...common,
    service_name: token('The service that answered'),
    endpoint: Type.String({ minLength: 1, maxLength: 2_048, description: 'Path or route, for example /users/:id' }),
    method: Type.String({ pattern: '^[A-Za-z-]{1,10}$', description: 'HTTP method' }),
    status_code: Type.Integer({ minimum: 100, maximum: 599 }),
    response_time_ms: Type.Optional(
      Type.Number({ minimum: 0, maximum: 2_147_483_647, description: 'Milliseconds; kept to the microsecond' }),
    ),
    user_id: userId(),
    request_bytes: byteCount('Size of the request'),
    response_bytes: byteCount('Size of the response'),
  },
  { description: 'A request that a service answered' },
);

export type UserEventBody = Static<typeof UserEventSchema>;
export type SystemEventBody = Static<typeof SystemEventSchema>;
export type ApiEventBody = Static<typeof ApiEventSchema>;

export const EVENT_KINDS = ['user', 'system', 'api'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** A validated body together with its kind: what a publisher meant, before it has a place in the log. */
export type EventBody =
  | { readonly kind: 'user'; readonly body: UserEventBody }
  | { readonly kind: 'system'; readonly body: SystemEventBody }
  | { readonly kind: 'api'; readonly body: ApiEventBody };

/** A body that passed every check; `occurredAtMs` is its `occurred_at` in milliseconds since 1970, if it has one. */
export type CheckedEvent = EventBody & { readonly occurredAtMs: number | undefined };

/** What every event of the log has beside its body. */
export interface LogPosition {
  /** The publisher's id, else `METRICS:<stream sequence>`. */
  readonly id: string;
  /** Milliseconds since 1970. The publisher's `occurred_at`, else the time at which JetStream stored it. */
  readonly occurredAtMs: number;
  /**
   * A resend of this event may carry another time, because the publisher chose the id and left the time out.
   * Such an id is looked for on the day before, too.
   */
  readonly timeFromLog: boolean;
  /** Sequence in the stream METRICS. */
  readonly sequence: number;
}

/** An event as read from the log. */
export type LogEvent = EventBody & LogPosition;
