import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';

const CONTINUE_TIMEOUT_MS = 10_000;

/** A post that the service has begun to read, whatever happens to the service then: it has the headers, and not the body. */
export class PostInFlight {
  private constructor(
    private readonly post: ClientRequest,
    private readonly answered: Promise<number>,
    private readonly body: string,
  ) {}

  /** @throws where the service does not say that it goes on reading */
  static async begin(url: string, token: string, body: unknown): Promise<PostInFlight> {
    const text = JSON.stringify(body);
    const post = request(url, {
      method: 'POST',
      agent: false,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        // The service answers this when it has read the headers.
        expect: '100-continue',
      },
    });
    const answered = once(post, 'response').then(([response]: IncomingMessage[]) => response?.resume().statusCode ?? 0);
    // Where it is refused already, that is told where the answer is awaited.
    answered.catch(() => undefined);
    post.flushHeaders();
    await once(post, 'continue', { signal: AbortSignal.timeout(CONTINUE_TIMEOUT_MS) });
    return new PostInFlight(post, answered, text);
  }

  /** Sends the body, and answers the status. @throws where the connection breaks without an answer */
  finish(): Promise<number> {
    this.post.end(this.body);
    return this.answered;
  }
}
