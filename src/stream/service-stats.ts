import type { Msg, NatsConnection, Subscription } from 'nats';
import { newInbox } from './inbox.js';

/** What one instance of a NATS service (protocol `io.nats.micro.v1`) says of itself since it started. */
export interface InstanceStats {
  readonly name: string;
  readonly id: string;
  readonly requests: number;
  readonly errors: number;
  readonly processingTimeNs: number;
}

export interface ServiceStatsAnswers {
  readonly instances: readonly InstanceStats[];
  /** Answers that were not what the protocol says, too large, or too many. */
  readonly refused: number;
}

const SUBJECT = '$SRV.STATS';
const STATS_TYPE = 'io.nats.micro.v1.stats_response';
const GATHER_MS = 1_000;
/** Whoever may subscribe may answer, and as often as it likes. */
const MAX_ANSWERS = 2_000;
const MAX_ANSWER_BYTES = 65_536;
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_ENDPOINTS = 500;
const MAX_ID_CHARACTERS = 100;

/**
 * Asks all NATS services for their numbers, and gathers what comes within a second. Nobody answers where there are none,
 * or where the server does not let this client ask: then there are no instances.
 *
 * @param signal ends the gathering early
 * @param gatherMs how long answers are waited for
 */
export async function askServiceStats(
  connection: NatsConnection,
  signal: AbortSignal,
  gatherMs = GATHER_MS,
): Promise<ServiceStatsAnswers> {
  const gathered = new Gathered();
  const inbox = newInbox(connection);
  let timer: NodeJS.Timeout | undefined;
  let subscription: Subscription | undefined;
  try {
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, gatherMs);
      signal.addEventListener('abort', () => resolve(), { once: true });
      subscription = connection.subscribe(inbox, {
        callback: (error, message) => {
          if (error !== null || !gathered.take(message)) resolve();
        },
      });
      connection.publish(SUBJECT, undefined, { reply: inbox });
    });
  } finally {
    clearTimeout(timer);
    // A connection that is closed by now has no subscription any more.
    if (!connection.isClosed()) subscription?.unsubscribe();
  }
  return { instances: [...gathered.instances.values()], refused: gathered.refused };
}

class Gathered {
  readonly instances = new Map<string, InstanceStats>();
  refused = 0;
  #answers = 0;
  #bytes = 0;

  /** @returns whether more will be taken */
  take(message: Msg): boolean {
    // What was on its way already when there was enough.
    if (this.#answers >= MAX_ANSWERS || this.#bytes >= MAX_BYTES) return false;
    // The server's word that nobody listens.
    if (message.headers?.code === 503) return false;
    this.#answers += 1;
    this.#bytes += message.data.length;
    const stats = message.data.length > MAX_ANSWER_BYTES ? undefined : parseStats(Buffer.from(message.data).toString());
    if (stats === undefined) this.refused += 1;
    // An instance counts once, however often it answers.
    else if (!this.instances.has(`${stats.name} ${stats.id}`)) this.instances.set(`${stats.name} ${stats.id}`, stats);
    return this.#answers < MAX_ANSWERS && this.#bytes < MAX_BYTES;
  }
}

/** Reads one answer; undefined where it is none. Numbers of its endpoints are added up. */
export function parseStats(text: string): InstanceStats | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || value.type !== STATS_TYPE) return undefined;
  const { name, id, endpoints = [] } = value;
  if (typeof name !== 'string' || typeof id !== 'string' || id.length > MAX_ID_CHARACTERS) return undefined;
  if (!Array.isArray(endpoints) || endpoints.length > MAX_ENDPOINTS) return undefined;
  const sums = { requests: 0, errors: 0, processingTimeNs: 0 };
  for (const endpoint of endpoints) {
    if (!isRecord(endpoint)) return undefined;
    const [requests, errors, time] = [endpoint.num_requests, endpoint.num_errors, endpoint.processing_time].map(
      countOf,
    );
    if (requests === undefined || errors === undefined || time === undefined) return undefined;
    sums.requests += requests;
    sums.errors += errors;
    sums.processingTimeNs += time;
  }
  return { name, id, ...sums };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A count; what is missing is 0, as some clients leave it out. Undefined for what is none. */
function countOf(value: unknown): number | undefined {
  if (value === undefined) return 0;
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}
