import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** On every answer that says nothing else: it is no page, stands in no frame, and is read by pages of this origin alone. */
export const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const;

const NO_PAGE = "default-src 'none'; frame-ancestors 'none'";

/** Below it lies what pages of other origins may be let to. */
const SHARED_PREFIX = '/metrics/';
const PREFLIGHT_MAX_AGE_SECONDS = '600';
/** Tokens come in a header and not in a cookie, so no credentials are allowed. */
const PREFLIGHT_HEADERS = {
  'access-control-allow-methods': 'GET, HEAD, POST, DELETE',
  'access-control-allow-headers': 'authorization, content-type, if-none-match, last-event-id',
  'access-control-max-age': PREFLIGHT_MAX_AGE_SECONDS,
  'cache-control': 'no-store',
} as const;
const EXPOSED_HEADERS = 'etag, ratelimit, ratelimit-policy, retry-after, www-authenticate';

/** Adds what browsers are told on every answer, and lets pages of other origins in where some are named. */
export function addNetworkFace(fastify: FastifyInstance, corsOrigins: readonly string[]): void {
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    secure(reply);
    done();
  });
  if (corsOrigins.length > 0) allowOrigins(fastify, new Set(corsOrigins));
}

/** Tells browsers what they may do with an answer; what it says itself stays. */
export function secure(reply: FastifyReply): FastifyReply {
  reply.headers(SECURITY_HEADERS);
  if (!reply.hasHeader('content-security-policy')) reply.header('content-security-policy', NO_PAGE);
  if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  return reply;
}

/** Without this hook, and for every other origin, browsers keep the answers from other pages. */
function allowOrigins(fastify: FastifyInstance, origins: ReadonlySet<string>): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    if (!request.url.startsWith(SHARED_PREFIX)) return done();
    // On the response itself, since a stream of events is written past Fastify.
    reply.raw.setHeader('vary', 'origin');
    const { origin } = request.headers;
    if (origin === undefined || !origins.has(origin)) return done();
    reply.raw.setHeader('access-control-allow-origin', origin);
    if (isPreflight(request)) answerPreflight(reply);
    else {
      reply.raw.setHeader('access-control-expose-headers', EXPOSED_HEADERS);
      done();
    }
  });
}

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

/** A browser asks without a token whether it may ask with one. */
function answerPreflight(reply: FastifyReply): void {
  void reply.code(204).headers(PREFLIGHT_HEADERS).send();
}
