import { setImmediate as turn } from 'node:timers/promises';
import { headers, MsgHdrsImpl, type PublishOptions } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Outbox } from '../../../src/stream/outbox.js';

const test = suite('Outbox');

interface Published {
  readonly subject: string;
  readonly reply: string | undefined;
  /** As they go onto the wire. */
  readonly headers: string;
}

/** An outbox to a client that notes what it is given; it refuses the subject `closed`. */
function openOutbox() {
  const published: Published[] = [];
  const refused: number[] = [];
  const publish = (subject: string, _payload: unknown, options: PublishOptions = {}): void => {
    if (subject === 'closed') throw new Error('closed');
    const bytes = options.headers instanceof MsgHdrsImpl ? options.headers.encode() : new Uint8Array();
    published.push({ subject, reply: options.reply, headers: Buffer.from(bytes).toString() });
  };
  const outbox = new Outbox({ publish }, '_INBOX.a', (token) => refused.push(token));
  const add = (token: number, subject: string, id: string | undefined): void =>
    outbox.add({ token, subject, payload: new Uint8Array(), headers: id });
  return { outbox, published, refused, add };
}

test('what comes in one turn of the event loop goes out at its end, in its order', async () => {
  const { published, add } = openOutbox();
  add(35, 'first', 'a');
  await Promise.resolve();
  add(36, 'second', undefined);
  assert.is(published.length, 0);
  await turn();
  assert.equal(
    published.map(({ subject, reply }) => [subject, reply]),
    [
      ['first', '_INBOX.a.z'],
      ['second', '_INBOX.a.10'],
    ],
  );
  add(37, 'third', 'c');
  await turn();
  assert.is(published.at(-1)?.subject, 'third');
});

test('each message has its own id, written as the client would write it', async () => {
  const { published, add } = openOutbox();
  const ids = ['a', 'ID-with.signs:~!', 'ümläut'];
  for (const [token, id] of ids.entries()) add(token, 's', id);
  add(9, 's', undefined);
  await turn();
  const expected = ids.map((id) => {
    const all = headers();
    all.set('Nats-Msg-Id', id);
    return Buffer.from(all instanceof MsgHdrsImpl ? all.encode() : []).toString();
  });
  assert.equal(
    published.map((message) => message.headers),
    [...expected, ''],
  );
});

test('what was forgotten is never sent, what comes afterwards is', async () => {
  const { outbox, published, add } = openOutbox();
  add(1, 'old', 'a');
  outbox.clear();
  add(2, 'new', 'b');
  await turn();
  await turn();
  assert.equal(
    published.map(({ subject }) => subject),
    ['new'],
  );
});

test('a message that the client refuses is told by its token and keeps no other', async () => {
  const { published, refused, add } = openOutbox();
  add(1, 'a', 'a');
  add(2, 'closed', 'b');
  add(3, 'c', 'c');
  await turn();
  assert.equal(refused, [2]);
  assert.is(published.length, 2);
});

test.run();
