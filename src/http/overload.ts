import type { ServerResponse } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyInstance } from 'fastify';
import type { HttpLimits } from '../config.js';
import { sendProblem } from './problem-filter.js';
import { Problem } from './problems.js';

/** Why a request was not answered: also the label of `metrics_service_requests_shed_total`. */
export const SHED_REASONS = ['in_flight', 'event_loop', 'batches', 'rate_limit'] as const;
export type ShedReason = (typeof SHED_REASONS)[number];

export type OnShed = (reason: ShedReason) => void;

type OverloadLimits = Pick<HttpLimits, 'maxInFlight' | 'maxEventLoopDelayMs'>;

const DELAY_RESOLUTION_MS = 20;
const DELAY_SAMPLE_INTERVAL_MS = 1_000;
/** So many samples in a row have to be late: a process that was stopped, or did one thing for seconds, is well afterwards. */
const MIN_LATE_SAMPLES = 3;
/**
 * Who is refused waits so long for the answer. Clients that ask again at once, whatever Retry-After says, would otherwise take
 * the time of those that are served: a refusal costs a third of an answer.
 */
const HOLD_MS = 1_000;
const RETRY_AFTER_SECONDS = 1;

const OURS = '/metrics/';
/** A stream goes on for hours, and has bounds of its own; the scrape tells of the overload. */
const NOT_COUNTED = ['/metrics/stream', '/metrics/prometheus'];

/** Whether a request to this address is one of those that are bounded. Health is always answered. */
function isCounted(url: string): boolean {
  return url.startsWith(OURS) && !NOT_COUNTED.some((address) => url.startsWith(address));
}

/**
 * Bounds what is answered at a time, by the number of requests and by how late the event loop is. Not @fastify/under-pressure,
 * which knows nothing of requests in flight and answers at once (docs/decisions/overload.md).
 */
export class Overload {
  #inFlight = 0;
  #lateSamples = 0;
  readonly #histogram: ReturnType<typeof monitorEventLoopDelay>;
  readonly #sampler: NodeJS.Timeout;

  constructor(
    private readonly limits: OverloadLimits,
    private readonly onShed: OnShed,
  ) {
    this.#histogram = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
    this.#histogram.enable();
    this.#sampler = setInterval(() => this.#sample(), DELAY_SAMPLE_INTERVAL_MS);
    this.#sampler.unref();
  }

  /** Requests that are being answered. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Puts the bounds before everything else that is done for a request. */
  guard(fastify: FastifyInstance): void {
    fastify.addHook('onRequest', (request, reply, done) => {
      if (!isCounted(request.url)) return done();
      const reason = this.#reasonToShed();
      if (reason === undefined) {
        this.#count(reply.raw);
        return done();
      }
      this.onShed(reason);
      setTimeout(() => sendProblem(reply, overloaded()), HOLD_MS);
    });
    fastify.addHook('onClose', (_instance, done) => {
      this.close();
      done();
    });
  }

  close(): void {
    clearInterval(this.#sampler);
    this.#histogram.disable();
  }

  #reasonToShed(): ShedReason | undefined {
    if (this.#inFlight >= this.limits.maxInFlight) return 'in_flight';
    return this.#lateSamples >= MIN_LATE_SAMPLES ? 'event_loop' : undefined;
  }

  #count(response: ServerResponse): void {
    this.#inFlight += 1;
    // Comes however a response ends, when the client has gone away, too.
    response.once('close', this.#leave);
  }

  readonly #leave = (): void => {
    this.#inFlight -= 1;
  };

  #sample(): void {
    const delayMs = this.#histogram.count === 0 ? 0 : this.#histogram.mean / 1e6 - DELAY_RESOLUTION_MS;
    this.#lateSamples = delayMs > this.limits.maxEventLoopDelayMs ? this.#lateSamples + 1 : 0;
    this.#histogram.reset();
  }
}

/** What whoever is refused is told. */
export function overloaded(): Problem {
  return new Problem('overloaded', 'The service has more to do than it can; send it again in a moment', {
    headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
  });
}

/** Bounds the memory that bodies of batches take together. They count as they come, so that who sends slowly holds little. */
export class BodyBudget {
  #heldBytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly onShed: OnShed,
  ) {}

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** What one body takes, until it is released. */
  open(): BodyClaim {
    let bytes = 0;
    return {
      add: (count) => {
        if (this.#heldBytes + count > this.maxBytes) {
          this.onShed('batches');
          return false;
        }
        this.#heldBytes += count;
        bytes += count;
        return true;
      },
      release: () => {
        this.#heldBytes -= bytes;
        bytes = 0;
      },
    };
  }
}

export interface BodyClaim {
  /** Whether there is room for so many bytes more. */
  add(bytes: number): boolean;
  release(): void;
}
