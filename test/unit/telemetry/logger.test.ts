import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger } from '../../../src/telemetry/logger.js';

const test = suite('the log');

/** What is logged, as text and as what it is. @throws where a line is no JSON */
function logged(fields: object, message = 'Something happened'): { text: string; entry: Record<string, unknown> } {
  const lines: string[] = [];
  createLogger('info', { write: (line) => void lines.push(line) }).warn(fields, message);
  const text = lines.join('');
  return { text, entry: JSON.parse(text) as Record<string, unknown> };
}

const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl';
const PERSONAL = /hunter2|anna|203\.0\.113|4711|c2lnbmF0dXJl/;

const OBJECTS: readonly object[] = [
  { password: 'hunter2' },
  { redis: { password: 'hunter2' } },
  { config: { jwt: { secret: 'hunter2' } } },
  { headers: { authorization: `Bearer ${TOKEN}`, cookie: 'anna' } },
  { req: { headers: { authorization: 'Basic hunter2' } } },
  { event: { user_id: 4711, metadata: { name: 'anna', ip: '203.0.113.7' } } },
  { row: { userId: 4711, tags: { name: 'anna' } }, payload: 'anna' },
  { reason: 'password authentication failed: postgresql://anna:hunter2@db:5432/x' },
  { servers: ['nats://hunter2@a:4222', 'redis://:hunter2@b'] },
  { url: 'smtps://an\\na:hunter2@mail' },
  { reason: `Bearer ${TOKEN}` },
  { reason: `the token ${TOKEN} is not valid` },
  { reason: 'no such mailbox: anna@example.org' },
  { reason: 'it said "Bearer hunter2"' },
];
for (const fields of OBJECTS) {
  test(`of ${JSON.stringify(fields).slice(0, 70)} the log has nothing personal and no secret`, () => {
    assert.not.match(logged(fields).text, PERSONAL);
  });
}

test('a message is looked through as well, and lines stay JSON', () => {
  const { text, entry } = logged({}, 'cannot reach nats://anna:hunter2@a:4222 with "Bearer hunter2"');
  assert.not.match(text, PERSONAL);
  assert.is(entry.msg, 'cannot reach nats://[Redacted]@a:4222 with "Bearer [Redacted]"');
});

test('of an error of Postgres the log has what went wrong where, and nothing of the row', () => {
  const error = Object.assign(new Error('duplicate key value violates unique constraint "user_events_event_id"'), {
    code: '23505',
    table: 'user_events',
    constraint: 'user_events_event_id',
    detail: 'Key (event_id, created_at)=(anna-4711, 2026-11-24) already exists.',
    where: 'COPY user_events, line 1: "anna-4711 4711 {"ip": "203.0.113.7"}"',
    parameters: ['anna'],
    query: "insert into user_events values ('anna')",
  });
  for (const err of [error, new Error('The batch failed', { cause: error }), new AggregateError([error], 'Both')]) {
    const { text, entry } = logged({ err });
    assert.not.match(text, PERSONAL);
    assert.match(JSON.stringify(entry.err), /"code":"23505".*"table":"user_events"/);
    assert.match(JSON.stringify(entry.err), /duplicate key.*at .*logger\.test/);
  }
});

test('what operators need is there: addresses of servers, codes, what has no end', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:4222'), {
    code: 'ECONNREFUSED',
    syscall: 'connect',
  });
  const { entry } = logged({ err: refused, server: 'nats-1:4222', sequence: 7 });
  assert.match(JSON.stringify(entry), /ECONNREFUSED 127\.0\.0\.1:4222/);
  assert.equal([entry.server, entry.sequence, entry.service], ['nats-1:4222', 7, 'metrics-service']);
  const endless = new Error('around');
  endless.cause = endless;
  assert.ok(logged({ err: endless }).text.length < 20_000);
});

test.run();
