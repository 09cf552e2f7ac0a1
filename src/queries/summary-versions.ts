import type { Redis } from 'ioredis';
import { CURRENT_KEY, generationPrefix } from '../store/summary-schema.js';
import { run } from './redis-replies.js';

/** Raised where Redis holds no summaries: it was emptied, or nothing was ever projected. */
export class SummariesMissing extends Error {}

/** A rebuild may end while its predecessor is being read; two of them within one answer do not happen. */
export const MAX_ATTEMPTS = 3;

/** One state of the summaries. */
export interface SummaryVersion {
  readonly generation: string;
  readonly sequence: string;
}

/** Looks which generation of the summaries is current and where it stands. */
export class SummaryVersions {
  #generation = '';
  #looking: Promise<SummaryVersion> | undefined;

  constructor(private readonly redis: Redis) {}

  /** One look for all parts of an answer, which ask for it in the same moment. @throws SummariesMissing */
  look(): Promise<SummaryVersion> {
    this.#looking ??= this.#read().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** In one round trip as long as the generation is the same. */
  async #read(): Promise<SummaryVersion> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const known = this.#generation;
      const pipeline = this.redis
        .pipeline()
        .get(CURRENT_KEY)
        .hget(`${generationPrefix(known)}meta`, 'sequence');
      const [generation, sequence] = await run(pipeline);
      if (typeof generation !== 'string') throw new SummariesMissing('Redis holds no summaries');
      this.#generation = generation;
      if (generation !== known || typeof sequence !== 'string') continue;
      // Another word than a number marks summaries that are not whole and wait for being built anew.
      if (/^\d+$/.test(sequence)) return { generation, sequence };
    }
    throw new SummariesMissing('Redis holds no whole summaries');
  }
}
