import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

/** One email as it came over the wire. */
export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Header lines, unfolded, in their order. */
  readonly headers: readonly string[];
  readonly raw: string;
}

/** A real SMTP server that keeps what it gets. */
export class MailReceiver {
  readonly mails: ReceivedMail[] = [];
  /** Answers to the next messages, instead of taking them. */
  readonly refusals: { readonly code: number; readonly text: string }[] = [];
  /** Called when a message is there whole, before it is acknowledged. */
  onMail: (() => Promise<void>) | undefined;
  #server: SMTPServer | undefined;
  #port = 0;

  get url(): string {
    return `smtp://127.0.0.1:${this.#port}`;
  }

  /** At the same port as before, where it was open. */
  async open(): Promise<void> {
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS', 'AUTH'],
      logger: false,
      closeTimeout: 100,
      onData: (stream, session, callback) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const refusal = this.refusals.shift();
          if (refusal !== undefined) {
            callback(Object.assign(new Error(refusal.text), { responseCode: refusal.code }));
            return;
          }
          const { mailFrom, rcptTo } = session.envelope;
          const from = mailFrom === false ? '' : (mailFrom?.address ?? '');
          this.mails.push(
            readMail(
              from,
              (rcptTo ?? []).map(({ address }) => address),
              Buffer.concat(chunks).toString(),
            ),
          );
          void (this.onMail?.() ?? Promise.resolve()).then(() => callback(null));
        });
      },
    });
    server.on('error', () => undefined);
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', () => resolve()));
    this.#port = (server.server.address() as AddressInfo).port;
    this.#server = server;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

function readMail(from: string, to: readonly string[], raw: string): ReceivedMail {
  const head = raw.slice(0, raw.indexOf('\r\n\r\n'));
  return { from, to, headers: head.replace(/\r\n[ \t]+/g, ' ').split('\r\n'), raw };
}

/** The values of a header in a mail. */
export function headerOf(mail: ReceivedMail, name: string): string[] {
  const prefix = `${name.toLowerCase()}:`;
  return mail.headers
    .filter((line) => line.toLowerCase().startsWith(prefix))
    .map((line) => line.slice(prefix.length).trim());
}

export interface ReceivedPost {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface ScriptedAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Never answers. */
  readonly hangs?: boolean;
  /** Answers with a status, and never ends the body. */
  readonly isEndless?: boolean;
}

/** A receiver of webhooks. It answers as scripted, then 200, and keeps every request that it got. */
export class PostReceiver {
  readonly posts: ReceivedPost[] = [];
  /** Those that were answered with 2xx. */
  readonly taken: ReceivedPost[] = [];
  readonly script: ScriptedAnswer[] = [];
  /** Answers that stand for each request that the script has nothing for. */
  standing: ScriptedAnswer = { status: 200 };
  /** Called when a request is there whole, before it is answered. */
  onPost: (() => Promise<void>) | undefined;
  #server: Server | undefined;
  #port = 0;

  get port(): number {
    return this.#port;
  }

  url(path = '/hook/a-secret'): string {
    return `http://127.0.0.1:${this.#port}${path}`;
  }

  /** At the same port as before, where it was open. */
  async open(): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { url: path = '', headers } = request;
        const post = { path, headers, body: Buffer.concat(chunks).toString() };
        this.posts.push(post);
        const answer = this.script.shift() ?? this.standing;
        if (answer.hangs === true) return;
        if (answer.status < 300) this.taken.push(post);
        void (this.onPost?.() ?? Promise.resolve()).then(() => {
          response.writeHead(answer.status, answer.headers);
          if (answer.isEndless === true) response.write('o');
          else response.end(answer.status < 300 ? 'ok' : 'no');
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', () => resolve()));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}
