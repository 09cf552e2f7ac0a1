import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { QueryUnavailable } from '../queries/unavailable.js';
import type { Logger } from '../telemetry/logger.js';
import { PROBLEM_MEDIA_TYPE, Problem, type ProblemName } from './problems.js';

/** Turns whatever was thrown, by a handler, by Nest or by Fastify, into a problem details answer (RFC 9457). */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    answerFailure(this.logger, error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }
}

/** Answers whatever was thrown; the log has the cause of what the client is not told. */
export function answerFailure(logger: Logger, error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = methodNotAllowed(error, request) ?? toProblem(error);
  if (problem.problem === 'internal_error') logger.error({ err: error }, 'A request failed');
  sendProblem(reply, problem);
}

const METHODS = ['GET', 'HEAD', 'POST', 'DELETE'] as const;

/** 405 where Nest has found no route but the address has one with another method. */
function methodNotAllowed(error: unknown, request: FastifyRequest): Problem | undefined {
  if (!(error instanceof HttpException) || error.getStatus() !== 404) return undefined;
  const [url = ''] = request.url.split('?');
  // Routes are known by their patterns: the name of a documentation page's file, or an id, in the last place or before it.
  const patterns = [
    url,
    url.replace(/\/[^/]+$/, '/:name'),
    url.replace(/\/[^/]+$/, '/:id'),
    url.replace(/\/[^/]+(\/[^/]+)$/, '/:id$1'),
  ];
  const hasRoute = (method: (typeof METHODS)[number]): boolean =>
    patterns.some((pattern) => request.server.hasRoute({ method, url: pattern }));
  const allowed = METHODS.filter(hasRoute).join(', ');
  if (allowed === '') return undefined;
  return new Problem('method_not_allowed', `Send ${allowed}`, { headers: { allow: allowed } });
}

/** Answers with a problem, unless an answer is under way already. */
export function sendProblem(reply: FastifyReply, problem: Problem): void {
  if (reply.sent) return;
  // As bytes: to text and objects Fastify adds a charset, which this media type does not have.
  const body = Buffer.from(JSON.stringify(problem.toBody()));
  void reply.code(problem.status).headers(problem.headers).header('content-type', PROBLEM_MEDIA_TYPE).send(body);
}

const BY_STATUS: Readonly<Record<number, ProblemName>> = {
  400: 'malformed_request',
  404: 'not_found',
  408: 'request_timeout',
  413: 'body_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  503: 'stopping',
};

/** The problem that an error stands for. What is not known is `internal_error`, whose cause the client is not told. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof QueryUnavailable) {
    return new Problem('data_unavailable', 'Neither Redis nor Postgres answers', { headers: { 'retry-after': '5' } });
  }
  const status = statusOf(error);
  const name = status === undefined ? undefined : BY_STATUS[status];
  if (name === undefined || !(error instanceof Error)) return new Problem('internal_error', 'The log has the cause');
  // What Nest says of a missing route repeats the address; an address may hold what nobody should read again.
  return new Problem(name, status === 404 ? 'No such address or method' : error.message);
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') return error.statusCode;
  return undefined;
}
