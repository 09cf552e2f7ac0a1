import type { FastifyReply, FastifyRequest } from 'fastify';
import { namesTag, stateOf, strongTag, weakTag } from './entity-tag.js';

/** For what is one client's own: it may keep it, and asks each time whether it still holds. */
const PRIVATE = 'private, no-cache';

/** Bytes or text with their type and tag. */
export interface Tagged {
  readonly body: string | Buffer;
  readonly contentType: string;
  readonly tag: string;
  readonly cacheControl: string;
}

/** Answers with JSON, or with 304 where the client has that state (`stateOf`) already. */
export function sendState(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: object,
  clockFields: readonly string[] = [],
): void {
  const body = JSON.stringify(answer);
  const tag = weakTag(stateOf(body, clockFields));
  sendTagged(request, reply, { body, contentType: 'application/json; charset=utf-8', tag, cacheControl: PRIVATE });
}

/** Answers with CSV that has a header, or with 304 where the client has these very bytes already. */
export function sendCsv(request: FastifyRequest, reply: FastifyReply, csv: string): void {
  const contentType = 'text/csv; charset=utf-8; header=present';
  sendTagged(request, reply, { body: csv, contentType, tag: strongTag(csv), cacheControl: PRIVATE });
}

/** Answers with the body, or with 304 and no body where `If-None-Match` names its tag. */
export function sendTagged(request: FastifyRequest, reply: FastifyReply, tagged: Tagged): void {
  void reply.header('etag', tagged.tag).header('cache-control', tagged.cacheControl);
  if (namesTag(request.headers['if-none-match'], tagged.tag)) void reply.code(304).send();
  else void reply.header('content-type', tagged.contentType).send(tagged.body);
}
