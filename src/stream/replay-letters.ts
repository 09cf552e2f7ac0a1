import { headers } from 'nats';
import { encodeBody, type LogMessage } from '../events/codec.js';
import type { LogEvent } from '../events/kinds.js';
import type { Outcome, Refusal } from '../events/refusals.js';
import { subjectOf } from '../events/subjects.js';
import { formatTime } from '../events/time.js';
import type { Upcasts } from '../events/upcasts.js';
import type { Appender, RepeatableRequest, Unavailable } from './append.js';
import { deleteMessage } from './delete-message.js';
import { type Letter, readLetter } from './letters.js';
import { readOriginal } from './original-message.js';
import { readMessage } from './read-message.js';
import type { ReadOptions } from './read-to-end.js';
import { DEAD_LETTERS_STREAM, EVENTS_STREAM } from './streams.js';

/** What became of one letter. Those that stay do so with the reason of now, which may be another than that of then. */
export type ReplayOutcome =
  | { readonly kind: 'replayed' }
  | { readonly kind: 'stays'; readonly reason: StayReason | Refusal['reason']; readonly detail: string }
  | { readonly kind: 'no_such_letter' };

/** Why a letter stays that is not refused as an event. */
export type StayReason = 'is_a_notice' | 'not_a_letter' | 'original_gone' | 'place_taken';

const STAYS: Readonly<Record<StayReason, string>> = {
  is_a_notice: 'a channel repeats by itself what goes on; sent now, it might follow upon its own end',
  not_a_letter: 'this service did not park it',
  original_gone: 'the letter holds a part of the message, and METRICS has it no longer',
  place_taken: 'it has no id but its place in METRICS, which was made anew and has another message there',
};

export interface ReplayParts extends ReadOptions {
  readonly appender: Appender;
  /** The decoder of the service that is to take the events. */
  readonly decode: (message: LogMessage) => Outcome<LogEvent>;
  /** Those of that decoder, where they are not those of upcasts.ts. */
  readonly upcasts?: Upcasts;
  readonly now: () => number;
}

export interface ReplayOrder {
  /** In METRICS_DEADLETTERS. */
  readonly sequences: readonly number[];
  /** Whether it is only told what would happen. */
  readonly isDryRun: boolean;
  readonly onOutcome: (sequence: number, outcome: ReplayOutcome) => void;
}

/** Letters at a time; their payloads are held, and each may have a mebibyte. */
const CHUNK_LETTERS = 50;
/** Tells where in METRICS the event came first. */
export const REPLAYED_FROM_HEADER = 'Metrics-Replayed-From';

type Plan = { readonly sequence: number } & (
  | { readonly request: RepeatableRequest }
  | { readonly outcome: ReplayOutcome }
);

/**
 * Takes letters through the decoder once more. What it takes is appended to METRICS in the shape of today, with the id
 * that the projector would have given it then and its time of then, and the letter is removed. So the tables know the
 * event, wherever it comes from: from a replay that died before it removed the letter, from another replay, or from the
 * original itself, when the log is folded anew.
 *
 * @returns undefined, or why METRICS takes no more: then the letters that were not told of lie where they lay
 * @throws NatsError where JetStream does not answer
 */
export async function replayLetters(
  parts: ReplayParts,
  { sequences, isDryRun, onOutcome }: ReplayOrder,
): Promise<Unavailable | undefined> {
  const { last_seq: lastSequence } = (await parts.manager.streams.info(EVENTS_STREAM)).state;
  for (let start = 0; start < sequences.length; start += CHUNK_LETTERS) {
    const chunk = sequences.slice(start, start + CHUNK_LETTERS);
    const plans = await Promise.all(chunk.map((sequence) => planReplay(parts, sequence, lastSequence)));
    if (!isDryRun) {
      const failure = await carryOut(parts, plans);
      if (failure !== undefined) return failure;
    }
    for (const plan of plans) onOutcome(plan.sequence, 'outcome' in plan ? plan.outcome : { kind: 'replayed' });
  }
  return undefined;
}

/** Appends first and removes then: whoever dies in between leaves an event that is known when it comes again. */
async function carryOut({ appender, manager }: ReplayParts, plans: readonly Plan[]): Promise<Unavailable | undefined> {
  const accepted = plans.flatMap((plan) => ('request' in plan ? [plan] : []));
  const result = await appender.appendAll(accepted.map(({ request }) => request));
  if (result.kind === 'unavailable') return result;
  // What they hold lives on in METRICS.
  await Promise.all(accepted.map(({ sequence }) => deleteMessage(manager, DEAD_LETTERS_STREAM, sequence, 'forget')));
  return undefined;
}

async function planReplay(parts: ReplayParts, sequence: number, lastSequence: number): Promise<Plan> {
  const parked = await readMessage(parts.manager, DEAD_LETTERS_STREAM, sequence);
  if (parked === undefined) return { sequence, outcome: { kind: 'no_such_letter' } };
  const letter = readLetter(parked);
  const stays = (reason: StayReason): Plan => ({ sequence, outcome: { kind: 'stays', reason, detail: STAYS[reason] } });
  if (letter.kind === 'notice') return stays('is_a_notice');
  if (letter.kind === 'foreign') return stays('not_a_letter');
  const original = await readOriginal(parts.manager, letter, parked, lastSequence);
  if (original.kind === 'gone') return stays('original_gone');
  const decoded = parts.decode(original.message);
  if (!decoded.ok) return { sequence, outcome: refused(decoded.refusal) };
  if (original.isPlaceTaken && decoded.value.id === `${EVENTS_STREAM}:${letter.logSequence}`)
    return stays('place_taken');
  const request = requestOf(letter, decoded.value, parts.upcasts);
  // As the projector will see it: what happened too long ago for the tables of today would only be parked anew.
  const again = parts.decode({
    ...request,
    data: request.payload,
    header: () => undefined,
    sequence,
    storedAtMs: parts.now(),
  });
  return again.ok ? { sequence, request } : { sequence, outcome: refused(again.refusal) };
}

/**
 * The event as it is appended. Its id stands in the body and not in `Nats-Msg-Id`: JetStream may have the original still
 * in its deduplication window, and would take the replay for a repeat of it.
 */
function requestOf({ logSequence }: Letter, event: LogEvent, upcasts: Upcasts | undefined): RepeatableRequest {
  const described = headers();
  described.set(REPLAYED_FROM_HEADER, String(logSequence));
  const payload = encodeBody(event, formatTime(event.occurredAtMs), { id: event.id, upcasts });
  return { subject: subjectOf(event), payload, headers: described };
}

function refused({ reason, errors }: Refusal): ReplayOutcome {
  const detail = errors.map((error) => `${error.pointer} ${error.detail}`.trim()).join('; ');
  return { kind: 'stays', reason, detail };
}
