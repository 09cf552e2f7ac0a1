const BAR_CELLS = 24;
const TERMINAL_INTERVAL_MS = 100;
const PLAIN_INTERVAL_MS = 5_000;

/** Where progress is written, as process.stderr. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/**
 * Shows how far long work is, how fast it goes, and how long it will take: a bar that is written over on a terminal,
 * a plain line every five seconds elsewhere. What a program reads goes to standard output and is not disturbed.
 */
export class Progress {
  readonly #startedMs: number;
  #shownMs: number;
  #isDrawn = false;

  /**
   * @param what is counted, as `events`
   * @param nowMs a clock that only goes forward
   */
  constructor(
    private readonly what: string,
    private readonly output: ProgressOutput = process.stderr,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.#startedMs = nowMs();
    this.#shownMs = this.#startedMs;
  }

  update(done: number, total: number): void {
    const nowMs = this.nowMs();
    if (nowMs - this.#shownMs < (this.output.isTTY === true ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS)) return;
    this.#shownMs = nowMs;
    this.#show(done, total, nowMs);
  }

  /** Says what was done in all, and leaves the line. */
  finish(done: number): void {
    this.#clear();
    const seconds = (this.nowMs() - this.#startedMs) / 1000;
    this.output.write(`${count(done)} ${this.what} in ${seconds.toFixed(1)} s (${count(rate(done, seconds))}/s)\n`);
  }

  /** Takes the bar away: something else is to be said. */
  abandon(): void {
    this.#clear();
  }

  #show(done: number, total: number, nowMs: number): void {
    const perSecond = rate(done, (nowMs - this.#startedMs) / 1000);
    const left = perSecond > 0 ? `${Math.ceil(Math.max(0, total - done) / perSecond)} s left` : 'waiting';
    const share = total > 0 ? Math.min(1, done / total) : 0;
    const percent = `${Math.floor(share * 100)}%`.padStart(4);
    const line = `${percent} ${count(done)}/${count(total)} ${this.what}, ${count(perSecond)}/s, ${left}`;
    if (this.output.isTTY !== true) {
      this.output.write(`${line.trimStart()}\n`);
      return;
    }
    const cells = Math.round(share * BAR_CELLS);
    const bar = `[${'#'.repeat(cells)}${'.'.repeat(BAR_CELLS - cells)}]`;
    // A line that wraps could not be written over.
    this.output.write(`\r\x1b[K${`${bar}${line}`.slice(0, (this.output.columns ?? 80) - 1)}`);
    this.#isDrawn = true;
  }

  #clear(): void {
    if (this.#isDrawn) this.output.write('\r\x1b[K');
    this.#isDrawn = false;
  }
}

function rate(done: number, seconds: number): number {
  return seconds > 0 ? Math.round(done / seconds) : 0;
}

function count(number: number): string {
  return number.toLocaleString('en');
}
