import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchClient } from './http-client.js';
import type { RealisticEvents } from './realistic-events.js';

const SINGLE_CONNECTIONS = 64;
const BATCH_CONNECTIONS = 2;
const EVENTS_PER_BATCH = 1_000;
const QUERIES_PER_SECOND = 10;
/** Bodies that are sent again and again, without ids, so that each is an event of its own. */
const BODIES = 2_000;
const BATCHES = 8;
const PATHS = ['/metrics/summary', '/metrics/services/health', '/metrics/dashboard', '/metrics/prometheus'] as const;
const UNAVAILABLE = /^GET \S+: 503 .*data_unavailable/;

export interface Taken {
  readonly singles: number;
  readonly inBatches: number;
  readonly queries: number;
  /** Questions that were answered with 503, because nobody could count in time. */
  readonly unavailable: number;
}

/**
 * All that a process can take at once, until `hasEnded`: single events over 64 connections and batches of a thousand over two,
 * each sent as soon as the one before is answered, and ten questions a second beside.
 *
 * @throws where an answer is not what it should be
 */
export async function fullLoad(
  client: (connections: number) => Promise<BenchClient>,
  events: RealisticEvents,
  hasEnded: () => boolean,
): Promise<Taken> {
  const bodyOf = (): object => {
    const { kind, body } = events.body();
    return { kind, ...body };
  };
  const bodies = Array.from({ length: BODIES }, () => JSON.stringify(bodyOf()));
  const batches = Array.from({ length: BATCHES }, () =>
    JSON.stringify({ events: Array.from({ length: EVENTS_PER_BATCH }, bodyOf) }),
  );
  const [singles, batch, reader] = [await client(SINGLE_CONNECTIONS), await client(BATCH_CONNECTIONS), await client(4)];
  const taken = { singles: 0, inBatches: 0, queries: 0, unavailable: 0 };
  const repeat = async (work: (index: number) => Promise<void>): Promise<void> => {
    for (let index = 0; !hasEnded(); index += 1) await work(index);
  };
  const postOne = async (index: number): Promise<void> => {
    await singles.send('POST', '/metrics/events', bodies[index % BODIES]);
    taken.singles += 1;
  };
  const postBatch = async (index: number): Promise<void> => {
    const { accepted } = JSON.parse(await batch.send('POST', '/metrics/events/batch', batches[index % BATCHES])) as {
      readonly accepted: number;
    };
    if (accepted !== EVENTS_PER_BATCH) throw new Error(`of ${EVENTS_PER_BATCH} events ${accepted} were accepted`);
    taken.inBatches += accepted;
  };
  const ask = async (index: number): Promise<void> => {
    const asked = reader.send('GET', PATHS[index % PATHS.length] ?? PATHS[0]).catch((error: Error) => {
      if (!UNAVAILABLE.test(error.message)) throw error;
      taken.unavailable += 1;
    });
    await Promise.all([asked, sleep(1000 / QUERIES_PER_SECOND)]);
    taken.queries += 1;
  };
  try {
    await Promise.all([
      ...Array.from({ length: SINGLE_CONNECTIONS }, () => repeat(postOne)),
      ...Array.from({ length: BATCH_CONNECTIONS }, () => repeat(postBatch)),
      repeat(ask),
    ]);
    return taken;
  } finally {
    for (const each of [singles, batch, reader]) each.close();
  }
}
