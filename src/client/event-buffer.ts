import type { EncodedEvent } from './events.js';

/** What is dropped where there is no room: what has waited longest, or what comes. */
export type WhenFull = 'drop_oldest' | 'drop_newest';

export interface BufferLimits {
  readonly maxEvents: number;
  readonly maxBytes: number;
  readonly whenFull: WhenFull;
}

/** An event in the buffer. */
export interface Entry extends EncodedEvent {
  /** Its place among all that ever came; later ones have larger numbers. */
  readonly number: number;
  readonly bytes: number;
}

/** What an entry takes beside its payload: itself, its id, its subject and its places in two collections, roughly. */
const OVERHEAD_BYTES = 256;
/** From so many on, the places of those that were taken are given back. */
const COMPACT_FROM = 1_024;

/**
 * Holds events until they are settled, at most so many and so many bytes. An event waits, is taken to be sent, and is then
 * settled or given back to wait again, before those that came after it. What has been taken keeps its room and is not dropped:
 * it may be stored already.
 */
export class EventBuffer {
  #waiting: Entry[] = [];
  #head = 0;
  #returned: Entry[] = [];
  #events = 0;
  #bytes = 0;
  #nextNumber = 0;

  constructor(private readonly limits: BufferLimits) {}

  /** Events that are not settled. */
  get size(): number {
    return this.#events;
  }

  /** Events that are to be sent. */
  get waiting(): number {
    return this.#waiting.length - this.#head + this.#returned.length;
  }

  /** The number of the event that came last; -1 before there is one. */
  get lastNumber(): number {
    return this.#nextNumber - 1;
  }

  /** Takes an event in. Answers what was dropped for it; the last of these may be the event itself. */
  add(event: EncodedEvent): readonly Entry[] {
    const entry: Entry = { ...event, number: this.#nextNumber, bytes: event.payload.length + OVERHEAD_BYTES };
    this.#nextNumber += 1;
    // No room that others give up would be enough for it.
    if (entry.bytes > this.limits.maxBytes) return [entry];
    const dropped: Entry[] = [];
    while (!this.#fits(entry)) {
      const oldest = this.limits.whenFull === 'drop_oldest' ? this.#shift() : undefined;
      if (oldest === undefined) return [...dropped, entry];
      this.settle(oldest);
      dropped.push(oldest);
    }
    this.#events += 1;
    this.#bytes += entry.bytes;
    this.#waiting.push(entry);
    return dropped;
  }

  /** Hands out what has waited longest, at most `max`. */
  take(max: number): Entry[] {
    const taken: Entry[] = [];
    while (taken.length < max) {
      const entry = this.#shift();
      if (entry === undefined) break;
      taken.push(entry);
    }
    return taken;
  }

  /** Takes back what was handed out and not stored. */
  giveBack(entry: Entry): void {
    this.#returned.push(entry);
  }

  /** Frees the room of an event that was handed out, and is stored or given up. */
  settle(entry: Entry): void {
    this.#events -= 1;
    this.#bytes -= entry.bytes;
  }

  #fits({ bytes }: Entry): boolean {
    return this.#events < this.limits.maxEvents && this.#bytes + bytes <= this.limits.maxBytes;
  }

  #shift(): Entry | undefined {
    this.#takeReturned();
    const entry = this.#waiting[this.#head];
    if (entry === undefined) return undefined;
    this.#head += 1;
    // When half of it is spent, so that what is moved is never more than what was taken.
    if (this.#head === this.#waiting.length || (this.#head >= COMPACT_FROM && this.#head * 2 > this.#waiting.length)) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }

  /** Those that come back are older than all that wait, as a rule; a resend that fails again may be younger than some. */
  #takeReturned(): void {
    if (this.#returned.length === 0) return;
    const all = [...this.#returned, ...this.#waiting.slice(this.#head)];
    this.#waiting = all.sort((a, b) => a.number - b.number);
    this.#head = 0;
    this.#returned = [];
  }
}
