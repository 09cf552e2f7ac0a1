import { Agent, request } from 'node:http';
import { signToken, TOKEN_DEFAULTS } from '../src/cli/token.js';
import { TEST_SECRET } from '../test/support/service.js';

/** A client with a fixed number of connections; `fetch` opens one more for each request that waits. */
export class BenchClient {
  readonly #agent: Agent;

  private constructor(
    private readonly port: number,
    private readonly token: string,
    connections: number,
  ) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  static async of(port: number, connections: number): Promise<BenchClient> {
    return new BenchClient(port, await signToken(TEST_SECRET, TOKEN_DEFAULTS), connections);
  }

  /** Sends one request and answers the body of a 2xx. @throws on any other status */
  send(method: 'GET' | 'POST', path: string, body?: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' };
      const sent = request(
        { host: '127.0.0.1', port: this.port, method, path, headers, agent: this.#agent },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8');
          answer.on('data', (chunk: string) => {
            text += chunk;
          });
          answer.once('error', reject);
          answer.once('end', () => {
            if (answer.statusCode !== undefined && answer.statusCode < 300) resolve(text);
            else reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
          });
        },
      );
      sent.once('error', reject);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
