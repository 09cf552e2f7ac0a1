/**
 * What one would write at first: Fastify, the token verified with each request, and `js.publish`.
 * `node naive-append.js <url of NATS> <secret of tokens>` prints the port that it listens on.
 */
import { randomUUID } from 'node:crypto';
import fastify from 'fastify';
import { jwtVerify } from 'jose';
import { connect } from 'nats';

const [url = '', secret = ''] = process.argv.slice(2);
const key = new TextEncoder().encode(secret);
const connection = await connect({ servers: url });
const jetstream = connection.jetstream();
const server = fastify();
server.post<{ Body: { readonly event_type: string } }>('/metrics/events', async (request, reply) => {
  await jwtVerify(request.headers.authorization?.slice('Bearer '.length) ?? '', key);
  const id = randomUUID();
  const subject = `metrics.events.user.${request.body.event_type}`;
  const ack = await jetstream.publish(subject, JSON.stringify(request.body), { msgID: id });
  reply.code(202);
  return { id, stream: ack.stream, sequence: ack.seq, duplicate: ack.duplicate };
});
console.log(new URL(await server.listen({ host: '127.0.0.1', port: 0 })).port);
