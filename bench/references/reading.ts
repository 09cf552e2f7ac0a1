/**
 * The least that answers like one of the service's questions: Fastify, and one GET of Redis behind it, or a constant text.
 * `node reading.js <redis|constant> <port of Redis> <database> <key> <content type>` prints the port that it listens on.
 */
import fastify from 'fastify';
import { Redis } from 'ioredis';

const [way, redisPort, db, key = '', contentType = ''] = process.argv.slice(2);
const redis = new Redis({ host: '127.0.0.1', port: Number(redisPort), db: Number(db) });
const server = fastify();
if (way === 'redis') {
  server.get('/', async (_request, reply) => reply.type(contentType).send(await redis.get(key)));
} else {
  const text = await redis.get(key);
  server.get('/', (_request, reply) => reply.type(contentType).send(text));
}
console.log(new URL(await server.listen({ host: '127.0.0.1', port: 0 })).port);
