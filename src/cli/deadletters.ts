import { INSTANT_DETAIL, parseInstant } from '../alerts/backtest/backtest-range.js';
import { type DeadLetterParts, openDeadLetters } from '../app/dead-letters.js';
import { type Environment, loadLogConfig } from '../config.js';
import { UsageError } from '../config-error.js';
import { isNatsTrouble } from '../stream/connection.js';
import { deleteMessage } from '../stream/delete-message.js';
import { findLetters, type Letter, type LetterFilter, readLetter } from '../stream/letters.js';
import { FeedBroken } from '../stream/log-feed.js';
import { readMessage } from '../stream/read-message.js';
import { type ReplayOutcome, replayLetters } from '../stream/replay-letters.js';
import { DEAD_LETTERS_STREAM, findStream } from '../stream/streams.js';
import { ServerUnreachable } from '../wait-for-server.js';
import { listDocument, listText, replayDocument, replayText, showDocument, showText } from './deadletters-text.js';
import { Progress } from './progress.js';

/** As they stand on the command line; what was not given is undefined. */
export interface LetterOptions {
  readonly reason?: string;
  readonly subject?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit?: string;
  readonly all?: true;
  readonly dryRun?: true;
  readonly yes?: true;
  readonly json?: true;
}

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;
/** Letters removed at a time. */
const CHUNK_LETTERS = 50;
const FINE = 0;
const WRONG = 1;
const USAGE = 2;

/** `metrics deadletters list`: the newest of the letters that are asked for, and how many there are of each reason. */
export async function runList(env: Environment, options: LetterOptions): Promise<number> {
  const filter = readFilter(options);
  const limit = readLimit(options.limit);
  return await withLetters(env, async (parts) => {
    let newest: Letter[] = [];
    const byReason = new Map<string, number>();
    await findLetters(parts, filter, (letter) => {
      byReason.set(letter.reason, (byReason.get(letter.reason) ?? 0) + 1);
      newest.push(letter);
      if (newest.length >= 2 * limit) newest = newest.slice(-limit);
    });
    const document = listDocument(newest.slice(-limit), byReason);
    print(options, document, () => listText(document));
    return FINE;
  });
}

/** `metrics deadletters show`: one letter with its headers and its payload. */
export async function runShow(env: Environment, given: string, options: LetterOptions): Promise<number> {
  const [sequence = 0] = readSequences([given]);
  return await withLetters(env, async ({ manager }) => {
    const message = await readMessage(manager, DEAD_LETTERS_STREAM, sequence);
    if (message === undefined) {
      process.stderr.write(`There is no dead letter ${sequence}\n`);
      return WRONG;
    }
    const document = showDocument(readLetter(message), message);
    print(options, document, () => showText(document));
    return FINE;
  });
}

/** `metrics deadletters replay`: status 1 where any of them stays. */
export async function runReplay(env: Environment, given: readonly string[], options: LetterOptions): Promise<number> {
  const select = readSelection(given, options);
  return await withLetters(env, async (parts) => {
    const sequences = await select(parts);
    const outcomes: { sequence: number; outcome: ReplayOutcome }[] = [];
    const progress = new Progress('dead letters');
    const failure = await replayLetters(parts, {
      sequences,
      isDryRun: options.dryRun === true,
      onOutcome: (sequence, outcome) => {
        outcomes.push({ sequence, outcome });
        progress.update(outcomes.length, sequences.length);
      },
    });
    progress.abandon();
    const document = replayDocument(outcomes, options.dryRun === true);
    print(options, document, () => replayText(document));
    if (failure !== undefined) throw new ServerUnreachable('METRICS takes no events', new Error(failure.reason));
    return document.stay.length === 0 && document.no_such_letter.length === 0 ? FINE : WRONG;
  });
}

/** `metrics deadletters drop`: removes letters for good, and only with `--yes`. */
export async function runDrop(env: Environment, given: readonly string[], options: LetterOptions): Promise<number> {
  const select = readSelection(given, options);
  return await withLetters(env, async (parts) => {
    const sequences = await select(parts);
    if (options.yes !== true) {
      process.stderr.write(`This would remove ${sequences.length} dead letters for good; --yes does it\n`);
      return USAGE;
    }
    const missing: number[] = [];
    const progress = new Progress('dead letters');
    for (let start = 0; start < sequences.length; start += CHUNK_LETTERS) {
      const chunk = sequences.slice(start, start + CHUNK_LETTERS);
      const removed = await Promise.all(
        chunk.map((sequence) => deleteMessage(parts.manager, DEAD_LETTERS_STREAM, sequence, 'overwrite')),
      );
      missing.push(...chunk.filter((_sequence, index) => removed[index] === false));
      progress.update(start + chunk.length, sequences.length);
    }
    progress.abandon();
    const document = { dropped: sequences.length - missing.length, no_such_letter: missing };
    print(options, document, () => `dropped ${document.dropped}\n`);
    for (const sequence of missing) process.stderr.write(`There is no dead letter ${sequence}\n`);
    return missing.length === 0 ? FINE : WRONG;
  });
}

function print(options: LetterOptions, document: unknown, text: () => string): void {
  process.stdout.write(options.json === true ? `${JSON.stringify(document, undefined, 2)}\n` : text());
}

/** @throws ConfigError, ServerUnreachable */
async function withLetters(env: Environment, work: (parts: DeadLetterParts) => Promise<number>): Promise<number> {
  const config = loadLogConfig(env);
  let parts: DeadLetterParts | undefined;
  try {
    parts = await openDeadLetters(config);
    if ((await findStream(parts.manager, DEAD_LETTERS_STREAM)) !== undefined) return await work(parts);
    process.stderr.write(`There is no stream ${DEAD_LETTERS_STREAM}: the service makes it when it starts\n`);
    return WRONG;
  } catch (error) {
    if (error instanceof FeedBroken || isNatsTrouble(error)) throw new ServerUnreachable('NATS', error);
    throw error;
  } finally {
    await parts?.close();
  }
}

/** Sequences, filters, or all: never everything because nothing was said. */
function readSelection(
  given: readonly string[],
  options: LetterOptions,
): (parts: DeadLetterParts) => Promise<readonly number[]> {
  const filter = readFilter(options);
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  const ways = [given.length > 0, isFiltered, options.all === true].filter(Boolean).length;
  if (ways !== 1) {
    throw new UsageError([{ name: 'deadletters', detail: 'name sequences, or filters, or --all: one of the three' }]);
  }
  if (given.length > 0) {
    const sequences = [...new Set(readSequences(given))];
    return async () => sequences;
  }
  return async (parts) => {
    const sequences: number[] = [];
    await findLetters(parts, filter, ({ sequence }) => sequences.push(sequence));
    return sequences;
  };
}

function readSequences(given: readonly string[]): number[] {
  return given.map((text) => {
    if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text);
    throw new UsageError([{ name: text, detail: 'is no sequence of a dead letter; deadletters list has them' }]);
  });
}

function readFilter({ reason, subject, from, to }: LetterOptions): LetterFilter {
  return { reason, subject, fromMs: readTime('--from', from), toMs: readTime('--to', to) };
}

function readTime(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const timeMs = parseInstant(text, Date.now());
  if (timeMs === undefined) throw new UsageError([{ name, detail: INSTANT_DETAIL }]);
  return timeMs;
}

function readLimit(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LIMIT;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new UsageError([{ name: '--limit', detail: `must be an integer from 1 to ${MAX_LIMIT}` }]);
}
