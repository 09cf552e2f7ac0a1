import * as fc from 'fast-check';

/** How a case reaches the service. */
export type FuzzWay = 'nats' | 'post' | 'line' | 'item' | 'ask' | 'raw';

type Fields = Readonly<Record<string, unknown>>;

/** What is done to the bytes of a body. */
type Scar =
  | { readonly kind: 'none' }
  | { readonly kind: 'byte'; readonly at: number; readonly byte: number }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'instead'; readonly bytes: Uint8Array };

export interface FuzzCase {
  readonly way: FuzzWay;
  /** An event; most have something wrong. */
  readonly event: Fields;
  /** Below `metrics.events.`, for NATS. */
  readonly subject: string;
  readonly idPlace: 'body' | 'header' | 'nowhere';
  readonly mode: 'plain' | 'structured' | 'binary';
  readonly scar: Scar;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the very same is sent again. */
  readonly isRepeated: boolean;
  /** A question, for `ask`. */
  readonly question: string;
}

const RECENT_MS = 1_800_000;

const often = <T>(usual: fc.Arbitrary<T>, weight: number, rare: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: rare });

const time = fc.integer({ min: 0, max: RECENT_MS }).map((ago) => new Date(Date.now() - ago).toISOString());
const service = fc.constantFrom('web', 'billing', 'auth');
const eventType = fc.constantFrom('user_login', 'user_logout', 'appointment_created', 'patient_viewed', 'other');
const common = { occurred_at: time };
/** Valid events, with the end of the subject that each has on NATS. */
const valid: fc.Arbitrary<{ readonly event: Fields; readonly subject: string }> = fc.oneof(
  fc
    .record({ ...common, event_type: eventType, user_id: fc.integer({ min: 1, max: 500 }), metadata: fc.constant({}) })
    .map((event) => ({ event, subject: `user.${event.event_type}` })),
  fc
    .record({
      ...common,
      kind: fc.constant('api'),
      service_name: service,
      endpoint: fc.constantFrom('/', '/users/17', '/orders/3?page=2'),
      method: fc.constantFrom('GET', 'POST'),
      status_code: fc.constantFrom(200, 201, 404, 500),
      response_time_ms: fc.integer({ min: 0, max: 4_000_000 }).map((us) => us / 1000),
      response_bytes: fc.nat(1_000_000),
    })
    .map((event) => ({ event, subject: `api.${event.service_name}` })),
  fc
    .record({
      ...common,
      kind: fc.constant('system'),
      service_name: service,
      metric_name: fc.constantFrom('cpu_usage', 'memory_usage', 'response_time'),
      value: fc.double({ min: -1e9, max: 1e9, noNaN: true }),
    })
    .map((event) => ({ event, subject: `system.${event.service_name}` })),
);

const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });
const manyKeys = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, 1]));
const wild: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.double(),
  fc.constantFrom<unknown>('*', 'a.>', 'a b', '\r\nPUB x 0\r\n', '\u0000', '\ud800', '__proto__', 'x'.repeat(20_000)),
  fc.constantFrom<unknown>(null, 1e308, -1, 2 ** 31, 2 ** 53 + 2, 2 ** 40 + 1, [], nested(11), manyKeys, {
    a: '\u0000',
  }),
);
const FIELDS = [
  ...['kind', 'event_type', 'service_name', 'metric_name', 'value', 'endpoint', 'method', 'status_code', 'user_id'],
  ...['metadata', 'tags', 'response_time_ms', 'request_bytes', 'response_bytes', 'schema_version', 'unknown'],
];
/** Changes of fields. None gives another event's id or day: what became of an event is told by its id. */
const change: fc.Arbitrary<Fields> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constantFrom(...FIELDS), wild).map(([name, value]) => ({ [name]: value })) },
  { weight: 2, arbitrary: fc.constantFrom(...FIELDS).map((name) => ({ [name]: undefined })) },
  fc.constantFrom<unknown>('', 'a b', 'x'.repeat(129), '\u00e9', 5, {}, null).map((id) => ({ id })),
  fc
    .constantFrom<unknown>('now', '2026-02-30T00:00:00Z', '+275760-09-13T00:00:00Z', '1999-01-01T00:00:00Z', 5, null)
    .map((occurred_at) => ({ occurred_at })),
);

const scar: fc.Arbitrary<Scar> = fc.oneof(
  { weight: 9, arbitrary: fc.constant<Scar>({ kind: 'none' }) },
  fc.record({ kind: fc.constant('byte' as const), at: fc.nat(200), byte: fc.nat(255) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(200) }),
  fc.record({ kind: fc.constant('instead' as const), bytes: fc.uint8Array({ maxLength: 60 }) }),
);

const HEADER_NAMES = [
  ...['content-type', 'ce-specversion', 'ce-id', 'ce-type', 'ce-source', 'ce-time', 'content-encoding'],
  ...['Metrics-Schema-Version', 'Nats-Rollup', 'Nats-Expected-Stream', 'Nats-Expected-Last-Sequence'],
] as const;
const headerValue = fc.oneof(
  fc.constantFrom(
    '',
    '1.0',
    'all',
    'gzip',
    '5',
    'application/json',
    'application/cloudevents+json',
    'metrics.system.v1',
  ),
  fc.stringMatching(/^[ -~]{0,20}$/),
);
/** A ce-id that could be an id would be that of several. */
const ownId = (given: Record<string, string>) => ('ce-id' in given ? { ...given, 'ce-id': 'no id' } : given);
const headers = often(
  fc.constant<Record<string, string>>({}),
  5,
  fc.dictionary(fc.constantFrom(...HEADER_NAMES), headerValue, { maxKeys: 3 }).map(ownId),
);

const QUESTIONS = ['summary', 'services/health', 'dashboard', 'alerts', 'alerts/silences', 'prometheus', 'nowhere'];
const parameter = fc.tuple(
  often(fc.constantFrom('window', 'from', 'to', 'interval', 'status'), 5, fc.string()),
  often(fc.constantFrom('1h', '-1h', 'now', '5m', 'firing', '1e9', '2026-02-30T00:00:00Z'), 2, fc.string()),
);
const question = fc
  .tuple(fc.constantFrom(...QUESTIONS), fc.array(parameter, { maxLength: 3 }))
  .map(([name, given]) => `/metrics/${name}?${new URLSearchParams(given)}`);

const way: fc.Arbitrary<FuzzWay> = fc.oneof(
  { weight: 50, arbitrary: fc.constant<FuzzWay>('nats') },
  { weight: 20, arbitrary: fc.constant<FuzzWay>('post') },
  { weight: 20, arbitrary: fc.constant<FuzzWay>('line') },
  { weight: 7, arbitrary: fc.constant<FuzzWay>('item') },
  { weight: 2, arbitrary: fc.constant<FuzzWay>('raw') },
  { weight: 1, arbitrary: fc.constant<FuzzWay>('ask') },
);
const oddSubject = fc.constantFrom(
  'user',
  'user.a.b',
  'nothing.web',
  `api.${'x'.repeat(200)}`,
  'system.\u00e9',
  'user.__proto__',
);

/** Half over NATS, half over HTTP; a half or so valid. */
export const fuzzCase: fc.Arbitrary<FuzzCase> = fc
  .record({
    way,
    valid,
    changes: fc.array(change, { maxLength: 2 }),
    subject: often(fc.constant(undefined), 15, oddSubject),
    idPlace: fc.constantFrom('body' as const, 'header' as const, 'nowhere' as const),
    mode: often(fc.constant('plain' as const), 4, fc.constantFrom('structured' as const, 'binary' as const)),
    scar,
    headers,
    isRepeated: often(fc.constant(false), 15, fc.constant(true)),
    question,
  })
  .map(({ valid: { event, subject }, changes, subject: odd, ...rest }) => ({
    ...rest,
    subject: odd ?? subject,
    event: Object.assign({}, event, ...changes, rest.scar.kind === 'byte' ? { occurred_at: undefined } : {}) as Fields,
  }));

/** The bytes of a body, a CloudEvent or not. */
export function bytesOf({ event, mode, scar: given, idPlace }: FuzzCase, id: string): Buffer {
  const own = idPlace === 'body' && !('id' in event) ? { ...event, id } : event;
  const whole =
    mode === 'structured' ? { specversion: '1.0', id, source: '/fuzz', type: typeOf(event), data: own } : own;
  const bytes = Buffer.from(JSON.stringify(whole));
  switch (given.kind) {
    case 'none':
      return bytes;
    case 'byte':
      return Buffer.from(bytes.with(given.at % bytes.length, given.byte));
    case 'cut':
      return bytes.subarray(0, given.at);
    case 'instead':
      return Buffer.from(given.bytes);
  }
}

/** The headers of a message or a post. */
export function headersOf({ event, mode, headers: given }: FuzzCase, id: string): Record<string, string> {
  if (mode === 'structured') return { 'content-type': 'application/cloudevents+json', ...given };
  if (mode === 'plain') return { 'content-type': 'application/json', ...given };
  return {
    'content-type': 'application/json',
    'ce-specversion': '1.0',
    'ce-id': id,
    'ce-source': '/fuzz',
    'ce-type': typeOf(event),
    ...given,
  };
}

/** What a CloudEvent of the event calls itself: in ASCII, since it may stand in a header. */
function typeOf({ kind, event_type: name }: Fields): string {
  const type =
    kind === undefined
      ? `metrics.user.${typeof name === 'string' ? name : ''}.v1`
      : `metrics.${JSON.stringify(kind)}.v1`;
  return type.replaceAll(/[^!-~]|"/g, '').slice(0, 100);
}
