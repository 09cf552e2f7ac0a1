import type { IncomingMessage, ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import { countRequestBytes, countResponseBytes } from './byte-counts.js';
import { errorText } from './error-text.js';
import type { ApiEventSink } from './publisher.js';

/** What requests without a route are told as, all of them: their paths are whatever anybody asks for. */
export const UNKNOWN_ROUTE = '(unknown)';

/** As nginx has it: the client went away before it had its answer. */
const CLIENT_CLOSED_REQUEST = 499;
const INTERNAL_SERVER_ERROR = 500;
const SWITCHING_PROTOCOLS = 101;
const MAX_ENDPOINT_CHARACTERS = 2_048;
const METHOD = /^[A-Za-z-]{1,10}$/;
const INT32_MAX = 2_147_483_647;

/** `Request` is the framework's. */
export interface RecorderOptions<Request> {
  readonly publisher: ApiEventSink;
  /** The publisher's `service` unless given. */
  readonly service?: string | undefined;
  /** Paths or routes that are not recorded (`/health`), or who decides it when a request comes. */
  readonly ignore?: readonly string[] | ((request: Request) => boolean) | undefined;
  /** The user of a request, an int32, asked when it has been answered. */
  readonly user?: ((request: Request) => number | undefined) | undefined;
  /** The route of a request that has one of which the framework does not know. */
  readonly route?: ((request: Request) => string | undefined) | undefined;
  /** Told what `ignore`, `user`, `route` or the publisher threw. A process warning, the first time, unless given. */
  readonly onFault?: ((error: unknown) => void) | undefined;
}

/** One request, and what the framework knows of it. */
export interface Exchange<Request> {
  readonly request: Request;
  readonly raw: IncomingMessage;
  readonly response: ServerResponse;
  /** Asked when the request has been answered; undefined where no route took it. */
  readonly routeOf: () => string | undefined;
}

/** Records requests. None of its functions throws: an answer is never the worse for being counted. */
export class RequestRecorder<Request> {
  #hasWarned = false;

  constructor(private readonly options: RecorderOptions<Request>) {}

  /** Called when a request has come, before its body is read. Its event is sent when it has been answered, or broken off. */
  begin(exchange: Exchange<Request>): void {
    this.#guard(() => {
      if (this.#isIgnored(exchange)) return;
      const { raw, response } = exchange;
      const startedMs = performance.now();
      const requestBytes = countRequestBytes(raw);
      const responseBytes = countResponseBytes(raw, response);
      const end = (isWhole: boolean): void => {
        response.removeListener('finish', onFinish);
        response.removeListener('close', onClose);
        const response_time_ms = Math.round((performance.now() - startedMs) * 1_000) / 1_000;
        const counts = { request_bytes: requestBytes(), response_bytes: responseBytes() };
        this.#guard(() => this.#record(exchange, { isWhole, response_time_ms, ...counts }));
      };
      // Over HTTP/2 Node.js tells of the finish of answers that were broken off, too.
      const onFinish = (): void => end(response.writableEnded);
      const onClose = (): void => end(false);
      response.once('finish', onFinish);
      response.once('close', onClose);
    });
  }

  #record(exchange: Exchange<Request>, { isWhole, ...measured }: Measured): void {
    const { request, raw, response } = exchange;
    const { publisher, service, ignore } = this.options;
    const known = this.#guard(() => this.options.route?.(request)) ?? exchange.routeOf();
    const endpoint = cut(known ?? '') || UNKNOWN_ROUTE;
    if (Array.isArray(ignore) && ignore.includes(endpoint)) return;
    const userId = this.#guard(() => this.options.user?.(request));
    const method = raw.method ?? '';
    const isUpgraded = !isWhole && hasChangedProtocol(raw, response);
    publisher.api({
      service_name: service,
      endpoint,
      method: METHOD.test(method) ? method : 'OTHER',
      status_code: isWhole ? response.statusCode : isUpgraded ? SWITCHING_PROTOCOLS : statusOfBroken(raw, response),
      user_id: isInt32(userId) ? userId : undefined,
      ...(isUpgraded ? {} : measured),
    });
  }

  #isIgnored({ request, raw }: Exchange<Request>): boolean {
    const { ignore } = this.options;
    if (ignore === undefined) return false;
    return typeof ignore === 'function' ? ignore(request) : ignore.includes(pathOf(raw));
  }

  #guard<T>(act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      this.#tell(error);
      return undefined;
    }
  }

  #tell(error: unknown): void {
    if (this.options.onFault === undefined) {
      if (!this.#hasWarned)
        process.emitWarning(`a request was not recorded whole: ${errorText(error)}`, 'MetricsClientWarning');
      this.#hasWarned = true;
      return;
    }
    const warn = (second: unknown): void => {
      process.emitWarning(`onFault threw: ${errorText(second)}`, 'MetricsClientWarning');
    };
    try {
      // An async function fits the type as well; its rejection would end the process.
      const answer: unknown = this.options.onFault(error);
      if (answer instanceof Promise) answer.catch(warn);
    } catch (second) {
      warn(second);
    }
  }
}

interface Measured {
  readonly isWhole: boolean;
  readonly response_time_ms: number;
  readonly request_bytes: number | undefined;
  readonly response_bytes: number | undefined;
}

/**
 * A connection that has become a WebSocket's ends without an answer of HTTP, when it is closed: it did not fail, and how
 * long it was open is no response time.
 */
function hasChangedProtocol(raw: IncomingMessage, response: ServerResponse): boolean {
  return Reflect.get(raw, 'upgrade') === true && !response.headersSent;
}

/**
 * The status of an answer that was not sent whole. Who broke it off is seen on the connection: a client that leaves ends or
 * resets it; otherwise the application destroyed it, as frameworks do where a stream fails after the headers are sent, and
 * with an error that is then the connection's, too.
 */
function statusOfBroken({ socket }: IncomingMessage, response: ServerResponse): number {
  // A stream of HTTP/2, whose connection goes on with others.
  const stream = 'stream' in response && response.stream instanceof Duplex ? response.stream : undefined;
  const hasClientLeft =
    stream === undefined
      ? response.errored === null && (socket.readableEnded || socket.errored !== null)
      : stream.errored === null;
  return hasClientLeft ? CLIENT_CLOSED_REQUEST : INTERNAL_SERVER_ERROR;
}

/** Express keeps the whole address in `originalUrl`, and shortens `url` below a mounted router. */
function pathOf(raw: IncomingMessage): string {
  const url = 'originalUrl' in raw && typeof raw.originalUrl === 'string' ? raw.originalUrl : (raw.url ?? '');
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}

function cut(route: string): string {
  return route.length > MAX_ENDPOINT_CHARACTERS ? route.slice(0, MAX_ENDPOINT_CHARACTERS).toWellFormed() : route;
}

function isInt32(value: unknown): value is number {
  return Number.isInteger(value) && Math.abs(Number(value)) <= INT32_MAX;
}
