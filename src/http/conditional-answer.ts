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

/**
 * Longer answers are kept as bytes. A short text goes into the socket in one piece with its header, which costs less than two
 * pieces; a long one would be encoded each time.
 */
const MIN_BUFFER_CHARACTERS = 16_384;

/** Answers as they are sent, for as long as who made them gives the same object again. */
const written = new WeakMap<object, Tagged>();

/** Answers with JSON, or with 304 where the client has that state (`stateOf`) already. */
export function sendState(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: object,
  clockFieldsOf: () => readonly string[] = () => [],
): void {
  let tagged = written.get(answer);
  if (tagged === undefined) {
    const json = JSON.stringify(answer);
    const tag = weakTag(stateOf(json, clockFieldsOf()));
    const contentType = 'application/json; charset=utf-8';
    tagged = {
      body: json.length < MIN_BUFFER_CHARACTERS ? json : Buffer.from(json),
      contentType,
      tag,
      cacheControl: PRIVATE,
    };
    written.set(answer, tagged);
  }
  sendTagged(request, reply, tagged);
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
