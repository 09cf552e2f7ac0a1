import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { CanActivate, DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HTTP_LIMITS, type HttpLimits } from '../config.js';
import type { Logger } from '../telemetry/logger.js';
import { addNetworkFace, SECURITY_HEADERS, secure } from './network-face.js';
import { type OnShed, Overload } from './overload.js';
import { ProblemFilter, sendProblem, toProblem } from './problem-filter.js';
import { PROBLEM_MEDIA_TYPE, Problem, type ProblemName } from './problems.js';

/** How often Node.js looks for requests that take too long. */
const TIMEOUT_CHECK_INTERVAL_MS = 2_000;
/** Longer than the usual 60 s of load balancers, so that it is never this side that closes a connection in use. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;

/** What is as it is, unless a setting says otherwise. */
export interface HttpFace {
  /** Whose pages may ask below /metrics/, as `https://dashboard.example.org`. */
  readonly corsOrigins: readonly string[];
  readonly limits: HttpLimits;
  /** Told of each request that was not answered for want of time or room. */
  readonly onShed: OnShed;
}

const PLAIN_FACE: HttpFace = { corsOrigins: [], limits: HTTP_LIMITS, onShed: () => undefined };

/**
 * Nest on Fastify with one module, the global guard and the filter that makes every failure a problem details answer.
 * Bodies reach the controllers unread (src/http/read-body.ts).
 */
export async function createHttpServer(
  module: DynamicModule,
  guard: CanActivate,
  logger: Logger,
  { corsOrigins, limits, onShed }: HttpFace = PLAIN_FACE,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    http: { headersTimeout: limits.headersTimeoutMs, connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS },
    requestTimeout: limits.requestTimeoutMs,
    // Node.js looks at what it has written, so a client that reads slowly is none that does not read.
    connectionTimeout: limits.idleTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerClientError,
    // What the router refuses, a malformed address, reaches neither filter nor hook.
    frameworkErrors: (error: Error, _request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(secure(reply), toProblem(error)),
  });
  const fastify: FastifyInstance = adapter.getInstance();
  fastify.server.maxConnections = limits.maxConnections;
  closeUnused(fastify);
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  addNetworkFace(fastify, corsOrigins);
  new Overload(limits, onShed).guard(fastify);
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    bodyParser: false,
    logger: false,
    abortOnError: false,
  });
  app.useGlobalGuards(guard);
  app.useGlobalFilters(new ProblemFilter(logger));
  return app;
}

/**
 * Ends, when the server is closed, connections over which nothing has come. Browsers open some ahead; Node.js does not count
 * them among the idle ones, and would wait until their first request is overdue.
 */
function closeUnused(fastify: FastifyInstance): void {
  const sockets = new Set<Socket>();
  fastify.server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  fastify.addHook('preClose', (done) => {
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    done();
  });
}

const CLIENT_ERRORS: Readonly<Record<string, ProblemName>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/** Answers what Node.js itself refuses before there is a request, and closes the socket. */
function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const problem = new Problem(CLIENT_ERRORS[error.code ?? ''] ?? 'malformed_request', 'The connection is closed');
  const body = JSON.stringify(problem.toBody());
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`,
      `content-type: ${PROBLEM_MEDIA_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      ...Object.entries(SECURITY_HEADERS).map(([name, value]) => `${name}: ${value}`),
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}
