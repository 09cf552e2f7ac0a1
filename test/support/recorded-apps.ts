import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import express from 'express';
import Fastify, { type FastifyRequest } from 'fastify';
import { expressRecorder, fastifyRecorder } from '../../src/client/index.js';
import type { RecorderOptions } from '../../src/client/record-request.js';

/** The same application in two frameworks, with a recorder before all else. */
export interface RecordedApp {
  readonly port: number;
  /** Ends the stream that `/endless` is answering with, as if reading from somewhere had failed. */
  breakStream(): void;
  close(): Promise<void>;
}

type Options = Pick<
  RecorderOptions<{ readonly headers: IncomingHttpHeaders }>,
  'publisher' | 'ignore' | 'user' | 'onFault'
>;

export const STREAMED = ['first ', 'second ', 'dritter Tröpfel'];

/** A stream that sends one chunk and then waits. */
class Endless {
  #open: PassThrough | undefined;

  begin(): Readable {
    this.#open = new PassThrough();
    this.#open.write('begun');
    return this.#open;
  }

  fail(): void {
    this.#open?.destroy(new Error('the source is gone'));
  }
}

function threeChunks(): Readable {
  const stream = new PassThrough();
  for (const chunk of STREAMED) stream.write(chunk);
  return stream.end();
}

export async function startFastify(options: Options): Promise<RecordedApp> {
  const app = Fastify({ forceCloseConnections: true });
  const endless = new Endless();
  await app.register(fastifyRecorder<FastifyRequest>(options));
  app.addContentTypeParser('application/octet-stream', (_request, body, done) => {
    body.resume().on('end', () => done(null, undefined));
  });
  app.get('/health', () => 'ok');
  app.get('/users/:id', () => ({ name: 'Ada' }));
  app.post('/orders', (_request, reply) => reply.code(201).send({ ok: true }));
  app.get('/fails', () => {
    throw new Error('broken');
  });
  app.get('/stream', (_request, reply) => reply.send(threeChunks()));
  app.get('/endless', (_request, reply) => reply.send(endless.begin()));
  await app.register(
    (tenant, _options, done) => {
      tenant.get('/users/:id', () => 'hers');
      tenant.get('/fails/:id', () => {
        throw new Error('broken');
      });
      done();
    },
    { prefix: '/tenants/:tenant' },
  );
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { port: portOf(app.server), breakStream: () => endless.fail(), close: () => app.close() };
}

export async function startExpress(options: Options): Promise<RecordedApp> {
  const app = express();
  const endless = new Endless();
  app.use(expressRecorder(options));
  app.use('/orders', express.raw({ type: () => true }));
  app.get('/health', (_request, response) => void response.send('ok'));
  app.get('/users/:id', (_request, response) => void response.json({ name: 'Ada' }));
  app.post('/orders', (_request, response) => void response.status(201).json({ ok: true }));
  app.get('/fails', () => {
    throw new Error('broken');
  });
  app.get('/stream', (_request, response) => pipeline(threeChunks(), response));
  app.get('/endless', (_request, response) => pipeline(endless.begin(), response).catch(() => undefined));
  const tenant = express.Router({ mergeParams: true });
  tenant.get('/:id', (_request, response) => void response.send('hers'));
  const tenants = express.Router();
  tenants.use('/:tenant/users', tenant);
  tenants.get('/:tenant/fails/:id', () => {
    throw new Error('broken');
  });
  app.use('/tenants', tenants);
  app.use(((_error, _request, response, _next) => {
    response.status(500).json({ error: 'Internal Server Error' });
  }) satisfies express.ErrorRequestHandler);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: portOf(server),
    breakStream: () => endless.fail(),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export function portOf(server: Pick<Server, 'address'>): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return address.port;
}

export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A list is sent in chunks. */
  readonly body?: string | readonly string[];
}

/** Sends a request on a connection of its own, and answers as soon as the headers are there. */
export async function send(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body }: Sent = {},
): Promise<IncomingMessage> {
  const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false });
  for (const chunk of Array.isArray(body) ? body : []) request.write(chunk);
  request.end(typeof body === 'string' ? body : undefined);
  const [response] = await once(request, 'response');
  return response;
}

/** Reads the answer to its end, and answers how many bytes its body had. */
export async function read(response: IncomingMessage): Promise<number> {
  let bytes = 0;
  for await (const chunk of response) bytes += chunk.length;
  return bytes;
}
