import type { FastifyRequest } from 'fastify';
import { type BodyClaim, overloaded } from './overload.js';
import { Problem } from './problems.js';

const UNBOUNDED: BodyClaim = { add: () => true, release: () => undefined };

/**
 * Reads a request's body. Fastify hands it on unread, so that nothing is kept for a request that the guard refuses.
 *
 * @param mediaTypes what may be sent, without parameters
 * @param claim what is kept is counted there; single events are small, and bounded by how many are answered at a time
 * @returns the media type (lower case) and the bytes
 * @throws Problem unsupported_media_type, body_too_large past `limitBytes`, or overloaded
 */
export async function readBody(
  request: FastifyRequest,
  limitBytes: number,
  mediaTypes: readonly string[],
  claim: BodyClaim = UNBOUNDED,
): Promise<{ readonly mediaType: string; readonly bytes: Buffer }> {
  const mediaType = mediaTypeOf(request);
  if (!mediaTypes.includes(mediaType)) {
    throw new Problem('unsupported_media_type', `Send one of ${mediaTypes.join(', ')}`);
  }
  const charset = /;\s*charset="?([^";\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8';
  if (charset.toLowerCase() !== 'utf-8') throw new Problem('unsupported_media_type', 'Send UTF-8');
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw new Problem('unsupported_media_type', 'Send the body without content encoding');
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) throw tooLarge(limitBytes);
  return { mediaType, bytes: await collect(request, limitBytes, claim) };
}

/** The type in `Content-Type` without its parameters; empty where there is none. */
function mediaTypeOf(request: FastifyRequest): string {
  const [mediaType = ''] = (request.headers['content-type'] ?? '').split(';');
  return mediaType.trim().toLowerCase();
}

/** By events and not by iterating, which costs a promise for each chunk. */
function collect(request: FastifyRequest, limitBytes: number, claim: BodyClaim): Promise<Buffer> {
  const stream = request.raw;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
      const refusal = length > limitBytes ? tooLarge(limitBytes) : claim.add(chunk.length) ? undefined : overloaded();
      if (refusal === undefined) return void chunks.push(chunk);
      // What was kept may be large, and the rest may take long.
      chunks.length = 0;
      stream.removeAllListeners('data').resume();
      reject(refusal);
    });
    stream.once('end', () =>
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
    );
    stream.once('error', () => reject(new Problem('malformed_request', 'The body ended early')));
    stream.once('aborted', () => reject(new Problem('malformed_request', 'The body ended early')));
  });
}

function tooLarge(limitBytes: number): Problem {
  // The connection stays: closed while the client still writes, it would be reset, and the answer lost with it. Node.js
  // throws the rest of the body away, within the time that a request has.
  return new Problem('body_too_large', `At most ${limitBytes} bytes are taken`);
}
