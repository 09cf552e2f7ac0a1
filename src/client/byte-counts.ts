import type { IncomingMessage, ServerResponse } from 'node:http';

/** Answers how many bytes there were, once they have all come or gone; undefined where nobody knows. */
export type ByteCount = () => number | undefined;

/**
 * Size of a request's body: what its header says, else what arrives. Has to be called before the body is read.
 * Nothing is read for it: a listener for the data would set the stream flowing.
 */
export function countRequestBytes(request: IncomingMessage): ByteCount {
  const declared = Number(request.headers['content-length'] ?? Number.NaN);
  if (Number.isSafeInteger(declared) && declared >= 0) return () => declared;
  if (request.headers['transfer-encoding'] === undefined) return () => (request.httpVersionMajor === 1 ? 0 : undefined);
  let bytes = 0;
  const push = request.push;
  request.push = function (chunk: unknown, ...rest): boolean {
    bytes += sizeOf(chunk, undefined);
    return push.call(this, chunk, ...rest);
  };
  return () => bytes;
}

/**
 * Size of an answer's body as it goes to the client, compressed where it is: what is written is counted, since streams
 * have no header that tells it. Has to be called before anything is written.
 */
export function countResponseBytes(request: IncomingMessage, response: ServerResponse): ByteCount {
  let bytes = 0;
  const write = response.write;
  const end = response.end;
  response.write = function (this: ServerResponse, ...args: unknown[]): boolean {
    bytes += sizeOf(args[0], args[1]);
    return Reflect.apply(write, this, args);
  };
  response.end = function (this: ServerResponse, ...args: unknown[]): ServerResponse {
    bytes += sizeOf(args[0], args[1]);
    return Reflect.apply(end, this, args);
  };
  return () => (hasBody(request.method, response.statusCode) ? bytes : 0);
}

/** Node.js leaves out what is written to such an answer. */
function hasBody(method: string | undefined, status: number): boolean {
  return method !== 'HEAD' && status !== 204 && status !== 304;
}

function sizeOf(chunk: unknown, encoding: unknown): number {
  if (typeof chunk === 'string') {
    return Buffer.byteLength(chunk, typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8');
  }
  return chunk instanceof Uint8Array ? chunk.byteLength : 0;
}
