/**
 * The least that takes an event over HTTP and answers when JetStream has it: Fastify, a token that is verified once, the event
 * type read out of the body, the body appended as it came, and one subscription that matches JetStream's acknowledgements to
 * the requests. `node append.js <url of NATS> <secret of tokens>` prints the port that it listens on.
 */
import { randomUUID } from 'node:crypto';
import fastify from 'fastify';
import { jwtVerify } from 'jose';
import { connect, createInbox, headers } from 'nats';

interface PubAck {
  readonly stream: string;
  readonly seq: number;
  readonly duplicate?: boolean;
}

const [url = '', secret = ''] = process.argv.slice(2);
const key = new TextEncoder().encode(secret);
const connection = await connect({ servers: url });
const inbox = createInbox();
const waiting = new Map<string, (ack: PubAck) => void>();
let tokens = 0;
connection.subscribe(`${inbox}.*`, {
  callback: (_error, message) => {
    waiting.get(message.subject)?.(message.json());
    waiting.delete(message.subject);
  },
});

const verified = new Set<string>();
const server = fastify();
server.removeAllContentTypeParsers();
server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
server.post<{ Body: Buffer }>('/metrics/events', async (request, reply) => {
  const token = request.headers.authorization?.slice('Bearer '.length) ?? '';
  if (!verified.has(token)) {
    await jwtVerify(token, key);
    verified.add(token);
  }
  const { event_type } = JSON.parse(request.body.toString()) as { readonly event_type: string };
  const id = randomUUID();
  const ack = await append(`metrics.events.user.${event_type}`, request.body, id);
  reply.code(202);
  return { id, stream: ack.stream, sequence: ack.seq, duplicate: ack.duplicate === true };
});

function append(subject: string, payload: Uint8Array, id: string): Promise<PubAck> {
  const all = headers();
  all.set('Nats-Msg-Id', id);
  const reply = `${inbox}.${tokens++}`;
  return new Promise((resolve) => {
    waiting.set(reply, resolve);
    connection.publish(subject, payload, { reply, headers: all });
  });
}

console.log(new URL(await server.listen({ host: '127.0.0.1', port: 0 })).port);
