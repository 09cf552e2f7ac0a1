import { gzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { sendRaw, statusOf } from '../../support/raw-http.js';
import { bothWays, type OverHttp, type OverNats, posted, published, type Special } from './rows.js';
import type { BadInputStage } from './stage.js';

/** In every event type that must not reach NATS. */
export const MARKER = 'must-not-be-written';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const metadata = (json: string): string => `{"event_type":"login","user_id":1,"metadata":${json}}`;
const at = (time: string): string => `{"event_type":"login","occurred_at":"${time}"}`;
const fromNow = (ms: number): string => at(new Date(Date.now() + ms).toISOString());
const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const keys = (count: number): string =>
  JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 1])));
const MALFORMED = 'malformed_body';

/** What is answered over HTTP as it is parked over NATS. */
export const BOTH_WAYS: readonly (readonly [OverHttp, OverNats])[] = [
  bothWays('B6', 'garbage behind the JSON', '{"event_type":"login"} x', 'invalid_json', MALFORMED),
  bothWays('B6', 'half a JSON', '{"event_type":"login"', 'invalid_json', MALFORMED),
  bothWays('B6', 'a byte that is no UTF-8', Buffer.from('{"event_type":"\xff"}', 'latin1'), 'invalid_utf8', MALFORMED),
  bothWays(
    'B6',
    'half a character of UTF-8',
    Buffer.from('{"event_type":"\xe2\x82"}', 'latin1'),
    'invalid_utf8',
    MALFORMED,
  ),
  bothWays('B8', '__proto__ on top', '{"event_type":"login","__proto__":{"a":1}}', 'forbidden_key', MALFORMED),
  bothWays('B8', '__proto__ three levels down', metadata('{"a":[{"__proto__":{}}]}'), 'forbidden_key', MALFORMED),
  bothWays('B8', '__proto__ in escapes', metadata('{"\\u005f_proto__":1}'), 'forbidden_key', MALFORMED),
  bothWays('B8', 'constructor.prototype', metadata('{"constructor":{"prototype":{}}}'), 'forbidden_key', MALFORMED),
  bothWays('B9', 'eleven levels', metadata(nested(11)), 'too_deep'),
  bothWays('B9', 'thousands of levels', metadata(nested(9_000)), 'too_deep'),
  bothWays('B9', '65 keys', metadata(keys(65)), 'object_too_large'),
  bothWays('B9', 'more than 16 KB', metadata(`{"a":"${'x'.repeat(16_400)}"}`), 'object_too_large'),
  bothWays('B10', 'U+0000', metadata('{"a":"\\u0000"}'), 'text_not_storable'),
  bothWays('B10', 'U+0000 in a key', metadata('{"a\\u0000":1}'), 'text_not_storable'),
  bothWays('B10', 'half of a surrogate pair', metadata('{"a":"\\ud800"}'), 'text_not_storable'),
  bothWays('B10', '1e400', metadata('{"a":1e400}'), 'number_out_of_range'),
  bothWays('B10', 'an integer above 2^53', metadata('{"a":9007199254740993}'), 'number_out_of_range'),
  bothWays('B10', 'user_id beyond int32', '{"event_type":"login","user_id":2147483648}', 'invalid_fields'),
  bothWays('B11', '30 February', at('2026-02-30T00:00:00Z'), 'time_invalid'),
  bothWays('B11', 'the year 275760', at('+275760-09-13T00:00:00Z'), 'time_invalid'),
  bothWays('B11', 'more than five minutes ahead', () => fromNow(7 * MINUTE_MS), 'time_in_future'),
  bothWays('B11', 'older than the retention', () => fromNow(-91 * DAY_MS), 'time_too_old'),
];

/** Event types that may not stand in a subject. */
const NAMES = ['*', '>', 'a.b', 'a b', '\r\nPUB metrics.events.user.x 2\r\n{}\r\n', '\u00e9', 'x'.repeat(10_240)];

const typed = (name: string): string => JSON.stringify({ event_type: name });

/** What HTTP alone can be sent. */
export const OVER_HTTP: readonly OverHttp[] = [
  posted('B6', 'a form', 'event_type=login', 'unsupported_media_type', {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  }),
  posted('B6', 'no content type', Buffer.from('{"event_type":"login"}'), 'unsupported_media_type', {
    headers: { 'content-type': '' },
  }),
  posted('B6', 'another character set', '{"event_type":"login"}', 'unsupported_media_type', {
    headers: { 'content-type': 'application/json; charset=latin1' },
  }),
  posted('B6', 'an empty body', '', MALFORMED, { reason: 'invalid_json' }),
  posted('B7', 'an event of 70 KB', metadata(`{"a":"${'x'.repeat(70_000)}"}`), 'body_too_large'),
  posted('B7', 'a batch of more than 8 MiB', `{"events":[],"a":"${'x'.repeat(8_388_608)}"}`, 'body_too_large', {
    path: '/metrics/events/batch',
  }),
  posted('B7', 'a bomb of gzip', gzipSync(Buffer.alloc(10_000_000, ' ')), 'unsupported_media_type', {
    headers: { 'content-encoding': 'gzip' },
  }),
  ...NAMES.map((name) =>
    posted('B12', `an event type ${JSON.stringify(name.slice(0, 12))}`, typed(MARKER + name), 'invalid_event', {
      reason: 'invalid_fields',
    }),
  ),
  posted('B12', 'an empty event type', typed(''), 'invalid_event', { reason: 'invalid_fields' }),
  posted(
    'B12',
    'a service with a wildcard',
    JSON.stringify({ kind: 'system', service_name: `${MARKER}.>`, metric_name: 'm', value: 1 }),
    'invalid_event',
    { reason: 'invalid_fields' },
  ),
  posted('B12', 'an id with a line break', JSON.stringify({ event_type: MARKER, id: 'a\r\nb' }), 'invalid_event', {
    reason: 'invalid_id',
  }),
  posted('B14', 'an empty batch', '{"events":[]}', 'no_valid_event', { path: '/metrics/events/batch' }),
  posted(
    'B14',
    'a batch of 10,001 events',
    JSON.stringify({ events: new Array(10_001).fill({ event_type: 'a' }) }),
    'body_too_large',
    { path: '/metrics/events/batch' },
  ),
  ...[
    '/metrics/summary?window=1h&limit=1e9',
    '/metrics/summary?window=1h%27%20or%201=1',
    '/metrics/services/health?limit=1e9',
    '/metrics/dashboard?from=-1h&to=-2h',
    '/metrics/dashboard?from=-9999d',
    "/metrics/dashboard?interval=1'%3B%20drop%20table%20user_events",
    '/metrics/alerts?limit=1e9',
    '/metrics/alerts?from=-1h&to=-2h',
    '/metrics/alerts?status=%27%20or%201=1',
  ].map(
    (path): OverHttp => ({
      row: 'B16',
      name: path,
      send: (stage) => stage.client.get(path),
      problems: ['invalid_parameter'],
    }),
  ),
];

/** What NATS alone can be sent. */
export const OVER_NATS: readonly OverNats[] = [
  published('B12', 'a body with a wildcard', typed('*'), 'subject_mismatch'),
  published('B12', 'a subject of 200 characters', '{}', 'invalid_fields', {
    subject: `metrics.events.user.${'x'.repeat(200)}`,
  }),
  published('B12', 'an id with spaces', '{}', 'invalid_id', { headers: { 'Nats-Msg-Id': 'an id with spaces' } }),
  published('B19', 'nothing', '', 'invalid_json'),
  published('B19', 'no JSON', 'hello', 'invalid_json'),
  published('B19', 'a list', '[1]', 'not_an_object'),
  published('B19', 'the wrong shape', '{"value":"high"}', 'invalid_fields', { subject: 'metrics.events.system.web' }),
  published('B19', 'a subject of no kind', '{}', 'unknown_subject', { subject: 'metrics.events.user.a.b' }),
  published('B19', '1 MB of text', 'x'.repeat(1_000_000), 'invalid_json'),
  published('B19', '1 MB of brackets', '['.repeat(1_000_000), 'too_deep'),
];

/** Chunks do not tell how many will come. What follows them on the connection is answered, too. */
async function chunkedTooLarge(stage: BadInputStage): Promise<void> {
  const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
  const head = `POST /metrics/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${stage.client.token}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`;
  const next = 'GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
  const text = await sendRaw(stage.client.url, [head, chunk.repeat(20), '0\r\n\r\n', next]);
  assert.is(statusOf(text), 413);
  assert.match(text, /HTTP\/1\.1 200 /);
}

async function sameIdOverHttp(stage: BadInputStage): Promise<void> {
  const event = { id: 'again-http', event_type: 'again' };
  stage.expect(event.id, 'the same id over HTTP');
  const answers = [];
  for (let count = 0; count < 3; count += 1) answers.push(await stage.client.post('/metrics/events', event));
  assert.equal(
    answers.map((answer) => [answer.status, (answer.json() as { duplicate: boolean }).duplicate]),
    [
      [202, false],
      [202, true],
      [202, true],
    ],
  );
  stage.countMessages(1);
}

async function sameIdOverNats(stage: BadInputStage): Promise<void> {
  const subject = 'metrics.events.user.again';
  const known = { subject, payload: '{}', headers: { 'Nats-Msg-Id': 'again-nats' } };
  stage.expect('again-nats', 'the same id in a header');
  assert.equal([(await stage.publish(known)).duplicate, (await stage.publish(known)).duplicate], [false, true]);
  // In the body alone JetStream does not see it, and the tables have to.
  stage.expect('again-in-the-body', 'the same id in a body');
  const unseen = {
    subject,
    payload: JSON.stringify({ id: 'again-in-the-body', occurred_at: new Date().toISOString() }),
  };
  for (let count = 0; count < 3; count += 1) assert.is((await stage.publish(unseen)).duplicate, false);
}

async function mixedBatch(stage: BadInputStage): Promise<void> {
  const events = [
    { id: 'mixed-0', event_type: 'mixed' },
    { id: 'mixed-1', event_type: `${MARKER} mixed` },
    { id: 'mixed-2', kind: 'api', service_name: 'web', endpoint: '/', method: 'GET', status_code: 200 },
    'no object',
    { id: 'mixed-4', kind: 'system', service_name: 'web', metric_name: 'cpu_usage', value: 1 },
    { id: 'mixed-5', event_type: 'mixed', metadata: { a: '\u0000' } },
  ];
  for (const index of [0, 2, 4]) stage.expect(`mixed-${index}`, 'a good event of a batch');
  const answer = await stage.client.post('/metrics/events/batch', { events });
  assert.is(answer.status, 202, answer.text);
  const { accepted, rejected } = answer.json() as { accepted: number; rejected: { index: number; reason: string }[] };
  assert.is(accepted, 3);
  assert.equal(
    rejected.map(({ index, reason }) => [index, reason]),
    [
      [1, 'invalid_fields'],
      [3, 'not_an_object'],
      [5, 'text_not_storable'],
    ],
  );
  stage.countMessages(3);
}

/** A request that never ends. */
async function cutOff(stage: BadInputStage, parts: readonly string[]): Promise<void> {
  const text = await sendRaw(stage.client.url, parts);
  assert.is(statusOf(text), 408, text);
  assert.match(text, /problem:request_timeout/);
}

const SLOW_HEADERS = 'POST /metrics/events HTTP/1.1\r\nhost: x\r\nx-slow: ';

const slowBody = ({ client }: BadInputStage): string =>
  `POST /metrics/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${client.token}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"event_type"`;

export const BODY_SPECIALS: readonly Special[] = [
  { row: 'B7', name: 'chunks of more than 64 KiB', way: 'http', check: chunkedTooLarge },
  { row: 'B13', name: 'the same id three times', way: 'http', check: sameIdOverHttp },
  { row: 'B13', name: 'the same id in a header, and in a body', way: 'nats', check: sameIdOverNats },
  { row: 'B15', name: 'a batch with good and bad events', way: 'http', check: mixedBatch },
  {
    row: 'B17',
    name: 'headers and a body that never end',
    way: 'http',
    // At the same time, since both wait.
    check: async (stage) => {
      await Promise.all([cutOff(stage, [SLOW_HEADERS]), cutOff(stage, [slowBody(stage)])]);
    },
  },
];
