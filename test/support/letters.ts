import { findLetters, type Letter } from '../../src/stream/letters.js';
import { type ReplayOutcome, type ReplayParts, replayLetters } from '../../src/stream/replay-letters.js';
import type { TestLog } from './log.js';
import { waitFor } from './servers.js';

/** Every dead letter, in the order in which they were parked. */
export async function allLetters(log: TestLog): Promise<Letter[]> {
  const letters: Letter[] = [];
  await findLetters(log, {}, (letter) => letters.push(letter));
  return letters;
}

/** How many dead letters there are of each reason. */
export async function lettersByReason(log: TestLog): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { reason } of await allLetters(log)) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

/** Replays letters, and tells what became of each: `replayed`, or the reason for which it stays. */
export async function replay(
  parts: ReplayParts,
  sequences: readonly number[],
  isDryRun = false,
): Promise<Record<number, string>> {
  const told: Record<number, string> = {};
  const onOutcome = (sequence: number, outcome: ReplayOutcome): void => {
    told[sequence] = outcome.kind === 'stays' ? outcome.reason : outcome.kind;
  };
  const failure = await replayLetters(parts, { sequences, isDryRun, onOutcome });
  if (failure !== undefined) throw new Error(failure.reason);
  return told;
}

/** Shortens what a stream remembers of ids, and waits until it has forgotten those that it has. */
export async function forgetIds(log: TestLog, stream: string, subject: string): Promise<void> {
  const { config } = await log.manager.streams.info(stream);
  await log.manager.streams.update(stream, { ...config, duplicate_window: 200 * 1e6 });
  await log.appender.append(subject, Buffer.from(''), 'probe');
  await waitFor('the stream to forget ids', async () => {
    const again = await log.appender.append(subject, Buffer.from(''), 'probe');
    return again.kind === 'stored' && !again.duplicate ? true : undefined;
  });
}
