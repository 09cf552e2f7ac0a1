import type { DeadLetter } from './dead-letters.js';
import { readLetter } from './letters.js';
import { type ReadOptions, readToEnd } from './read-to-end.js';
import { DEAD_LETTERS_STREAM } from './streams.js';

/** METRICS_DEADLETTERS knows for a day what it has; an hour is left to clocks. */
const SURELY_DEDUPLICATED_MS = 23 * 3_600_000;
/** Letters are parked after their message was stored, by the clocks of servers that may differ. */
const CLOCK_SLACK_MS = 60_000;
/** Twice as many are held while they are read. */
const MAX_KNOWN = 250_000;

/** A message of METRICS as its letter names it: one of a stream that was made anew has another time. */
interface Place {
  readonly sequence: number;
  readonly storedAtMs: number;
}

/**
 * Knows which letters lie in METRICS_DEADLETTERS already, for messages that are too old for its deduplication: whoever
 * folds the log from its beginning meets the same poison again. For messages of today it asks nothing.
 *
 * What lies there is read once, headers alone, when the first old message is to be parked; it holds as long as nobody else
 * parks, which is one reign of a projector.
 */
export class ParkedLetters {
  #known = new Set<string>();
  /** What lies there of messages from `from` to `through` is in `#known`. */
  #range = { from: 1, through: 0 };

  constructor(
    private readonly reader: ReadOptions,
    private readonly now: () => number = Date.now,
    private readonly maxKnown = MAX_KNOWN,
  ) {}

  /**
   * Leaves out letters that lie there already.
   *
   * @throws FeedBroken where the connection is lost, NatsError where the stream is missing
   */
  async without(letters: readonly DeadLetter[]): Promise<readonly DeadLetter[]> {
    const oldBeforeMs = this.now() - SURELY_DEDUPLICATED_MS;
    const fresh: DeadLetter[] = [];
    for (const letter of letters) {
      const isOld = letter.message.storedAtMs < oldBeforeMs;
      if (!isOld || !(await this.#has(letter.message))) fresh.push(letter);
    }
    return fresh;
  }

  async #has(place: Place): Promise<boolean> {
    const { from, through } = this.#range;
    if (place.sequence < from || place.sequence > through) await this.#read(place);
    return this.#known.has(keyOf(place));
  }

  /** Reads the letters of messages from this one on, as many as may be held. */
  async #read({ sequence: from, storedAtMs }: Place): Promise<void> {
    let places: Place[] = [];
    let through = Number.MAX_SAFE_INTEGER;
    const options = { headersOnly: true, fromMs: storedAtMs - CLOCK_SLACK_MS };
    await readToEnd(
      this.reader,
      DEAD_LETTERS_STREAM,
      (message) => {
        const letter = readLetter(message);
        if (letter.kind !== 'event' || letter.logSequence < from || letter.logSequence > through) return;
        places.push({ sequence: letter.logSequence, storedAtMs: letter.atMs });
        if (places.length < 2 * this.maxKnown) return;
        places.sort((a, b) => a.sequence - b.sequence);
        // At least this one, of which there may be several.
        through = Math.max(from, (places[this.maxKnown]?.sequence ?? 0) - 1);
        places = places.filter(({ sequence }) => sequence <= through);
      },
      options,
    );
    this.#known = new Set(places.map(keyOf));
    this.#range = { from, through };
  }
}

function keyOf({ sequence, storedAtMs }: Place): string {
  return `${sequence}-${storedAtMs}`;
}
