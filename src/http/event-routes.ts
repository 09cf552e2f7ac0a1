import type { CommandBus } from '@nestjs/cqrs';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppendBatch } from '../commands/append-batch.js';
import { AppendEvent } from '../commands/append-event.js';
import { parseJson } from '../events/json.js';
import type { Envelope } from '../events/requests.js';
import { readRequestEvent } from '../events/requests.js';
import { type TimeBounds, timeBounds } from '../events/validate.js';
import type { Logger } from '../telemetry/logger.js';
import type { JwtGuard } from './auth/jwt-guard.js';
import type { RateLimiter } from './auth/rate-limiter.js';
import type { BodyBudget, BodyClaim } from './overload.js';
import { answerFailure } from './problem-filter.js';
import { logUnavailable, Problem, refusedEvent } from './problems.js';
import {
  BATCH_MEDIA_TYPES,
  CLOUDEVENT_MEDIA_TYPE,
  MAX_BATCH_BYTES,
  MAX_EVENT_BYTES,
  type RejectedEvent,
  readBatch,
} from './read-batch.js';
import { readBody } from './read-body.js';

const EVENT_MEDIA_TYPES = ['application/json', CLOUDEVENT_MEDIA_TYPE];

/** An event of a batch costs a tenth of what one costs that comes alone. */
const EVENTS_TO_A_REQUEST = 10;

export interface AppendedAnswer {
  readonly id: string;
  readonly stream: string;
  readonly sequence: number;
  /** The stream knew the id already, so nothing was added. */
  readonly duplicate: boolean;
}

export interface BatchAnswer {
  /** Events that were added. */
  readonly accepted: number;
  /** Events whose id the stream knew already. */
  readonly duplicates: number;
  readonly rejected: readonly RejectedEvent[];
}

export interface EventParts {
  readonly commandBus: Pick<CommandBus, 'execute'>;
  readonly guard: Pick<JwtGuard, 'admit'>;
  readonly rates: Pick<RateLimiter, 'charge'>;
  readonly bodies: BodyBudget;
  readonly retentionDays: number;
  readonly now: () => number;
  readonly logger: Logger;
}

/**
 * The two routes that take events. They stand on Fastify itself: Nest's way to a handler costs a seventh of what a POST costs
 * in all, and is taken by each event. The guard and the answers to failures are those of the other routes.
 */
export function addEventRoutes(fastify: FastifyInstance, parts: EventParts): void {
  const routes = new EventRoutes(parts);
  const options = {
    errorHandler: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      answerFailure(parts.logger, error, request, reply),
  };
  fastify.post('/metrics/events', options, (request, reply) => routes.append(request, reply));
  fastify.post('/metrics/events/batch', options, (request, reply) => routes.appendBatch(request, reply));
}

/** Takes events over HTTP. 202 means that JetStream has stored what was sent. */
class EventRoutes {
  constructor(private readonly parts: EventParts) {}

  async append(request: FastifyRequest, reply: FastifyReply): Promise<AppendedAnswer> {
    await this.parts.guard.admit(request, reply, 'metrics:write');
    const { mediaType, bytes } = await readBody(request, MAX_EVENT_BYTES, EVENT_MEDIA_TYPES);
    const parsed = parseJson(bytes);
    if (!parsed.ok) throw refusedEvent(parsed.refusal);
    const receivedAtMs = this.parts.now();
    const event = readRequestEvent(parsed.value, envelopeOf(request, mediaType), this.#bounds(receivedAtMs));
    if (!event.ok) throw refusedEvent(event.refusal);
    const outcome = await this.parts.commandBus.execute(new AppendEvent(event.value, receivedAtMs));
    if (outcome.kind === 'unavailable') throw logUnavailable(outcome);
    const { id, stream, sequence, duplicate } = outcome;
    reply.code(202);
    return { id, stream, sequence, duplicate };
  }

  async appendBatch(request: FastifyRequest, reply: FastifyReply): Promise<BatchAnswer> {
    const { subject } = await this.parts.guard.admit(request, reply, 'metrics:write');
    const claim = this.parts.bodies.open();
    try {
      const answer = await this.#appendRead(request, subject, claim);
      reply.code(202);
      return answer;
    } finally {
      claim.release();
    }
  }

  async #appendRead(request: FastifyRequest, subject: string, claim: BodyClaim): Promise<BatchAnswer> {
    const { mediaType, bytes } = await readBody(request, MAX_BATCH_BYTES, BATCH_MEDIA_TYPES, claim);
    const receivedAtMs = this.parts.now();
    const { events, rejected } = readBatch(bytes, mediaType, this.#bounds(receivedAtMs));
    this.parts.rates.charge(subject, (events.length + rejected.length) / EVENTS_TO_A_REQUEST, receivedAtMs);
    if (events.length === 0) throw new Problem('no_valid_event', 'No event is valid', { members: { rejected } });
    const outcome = await this.parts.commandBus.execute(new AppendBatch(events, receivedAtMs));
    if (outcome.kind === 'unavailable') throw logUnavailable(outcome);
    return { accepted: outcome.accepted, duplicates: outcome.duplicates, rejected };
  }

  #bounds(receivedAtMs: number): TimeBounds {
    return timeBounds(receivedAtMs, this.parts.retentionDays, 0);
  }
}

/** CloudEvents come in structured mode by their media type, in binary mode by their headers. */
function envelopeOf(request: FastifyRequest, mediaType: string): Envelope {
  if (mediaType === CLOUDEVENT_MEDIA_TYPE) return { mode: 'structured' };
  if (request.headers['ce-specversion'] === undefined) return { mode: 'plain' };
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    return typeof value === 'string' ? value : undefined;
  };
  return { mode: 'binary', header };
}
