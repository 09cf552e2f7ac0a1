import { isUtf8 } from 'node:buffer';
import type { Letter } from '../stream/letters.js';
import type { ReplayOutcome } from '../stream/replay-letters.js';

/** What `--json` prints of a letter: nothing of what stood in the message. */
export interface ListedLetter {
  readonly sequence: number;
  readonly kind: Letter['kind'];
  readonly reason: string;
  readonly subject: string;
  readonly time: string;
  readonly parked_at: string;
  readonly log_sequence: number;
  readonly bytes: number;
  readonly truncated: boolean;
}

export interface ListDocument {
  readonly total: number;
  readonly by_reason: Readonly<Record<string, number>>;
  /** The newest, in the order in which they were parked. */
  readonly letters: readonly ListedLetter[];
}

export interface ShowDocument extends ListedLetter {
  readonly detail: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Where it is text. */
  readonly payload?: string;
  /** Where it is none. */
  readonly payload_base64?: string;
}

export interface ReplayDocument {
  readonly dry_run: boolean;
  readonly replayed: number;
  readonly stay: readonly { readonly sequence: number; readonly reason: string; readonly detail: string }[];
  readonly no_such_letter: readonly number[];
}

/** What of a payload a terminal shows. */
const MAX_SHOWN_CHARACTERS = 16_384;
const MAX_TOLD_LETTERS = 50;

function listed(letter: Letter): ListedLetter {
  const { sequence, kind, reason, subject, atMs, parkedAtMs, logSequence, bytes, isTruncated } = letter;
  return {
    sequence,
    kind,
    reason,
    subject: patternOf(subject),
    time: new Date(atMs).toISOString(),
    parked_at: new Date(parkedAtMs).toISOString(),
    log_sequence: logSequence,
    bytes,
    truncated: isTruncated,
  };
}

const OUR_SUBJECT = /^metrics\.(?:events\.(?:user|system|api)\.[A-Za-z0-9_-]{1,100}|alert)$/;
const WORD = /^[A-Za-z_-]{1,100}$/;

/**
 * A subject with `*` for what may be a person's: other services put ids into their subjects, and whoever publishes may put
 * anything into ours. As a pattern of NATS it finds the letter with `--subject`.
 */
function patternOf(subject: string): string {
  if (OUR_SUBJECT.test(subject)) return subject;
  const tokens = subject.split('.').map((token) => (WORD.test(token) ? token : '*'));
  return tokens.join('.');
}

export function listDocument(letters: readonly Letter[], byReason: ReadonlyMap<string, number>): ListDocument {
  const total = [...byReason.values()].reduce((sum, count) => sum + count, 0);
  return { total, by_reason: Object.fromEntries([...byReason].sort()), letters: letters.map(listed) };
}

export function listText({ total, by_reason: byReason, letters }: ListDocument): string {
  if (total === 0) return 'no dead letters\n';
  const rows = letters.map(({ sequence, reason, subject, time, bytes, log_sequence: place }) =>
    row([sequence, reason, time, bytes, place, subject]),
  );
  const reasons = Object.entries(byReason).map(([reason, count]) => `${reason} ${count}`);
  const shown = letters.length < total ? `, of which the newest ${letters.length} are listed` : '';
  const head = row(['SEQUENCE', 'REASON', 'TIME', 'BYTES', 'IN THE LOG', 'SUBJECT']);
  return `${[head, ...rows].join('\n')}\n\n${total} in all${shown}: ${harmless(reasons.join(', '))}\n`;
}

export function showDocument(
  letter: Letter,
  { data, header, headerNames }: { readonly data: Uint8Array } & Headers,
): ShowDocument {
  const headers = Object.fromEntries((headerNames?.() ?? []).map((name) => [name, header(name) ?? '']));
  const bytes = Buffer.from(data);
  const payload = isUtf8(data) ? { payload: bytes.toString('utf8') } : { payload_base64: bytes.toString('base64') };
  return { ...listed(letter), subject: letter.subject, detail: letter.detail, headers, ...payload };
}

interface Headers {
  readonly header: (name: string) => string | undefined;
  readonly headerNames?: () => readonly string[];
}

export function showText(document: ShowDocument): string {
  const { payload, payload_base64: base64, headers, ...said } = document;
  const lines = Object.entries(said).map(([name, value]) => `${name.padEnd(14)} ${harmless(String(value))}`);
  const headerLines = Object.entries(headers).map(([name, value]) => harmless(`${name}: ${value}`));
  const text = payload ?? base64 ?? '';
  const what = payload === undefined ? 'payload, as base64' : 'payload';
  const isCut = text.length > MAX_SHOWN_CHARACTERS;
  const shown = harmless(isCut ? text.slice(0, MAX_SHOWN_CHARACTERS) : text);
  const tail = isCut ? [`(${text.length - MAX_SHOWN_CHARACTERS} characters more; --json has all)`] : [];
  return `${[...lines, '', 'headers:', ...headerLines, '', `${what}:`, shown, ...tail].join('\n')}\n`;
}

export function replayDocument(
  outcomes: readonly { readonly sequence: number; readonly outcome: ReplayOutcome }[],
  isDryRun: boolean,
): ReplayDocument {
  const stay = outcomes.flatMap(({ sequence, outcome }) =>
    outcome.kind === 'stays' ? [{ sequence, reason: outcome.reason, detail: outcome.detail }] : [],
  );
  const missing = outcomes.filter(({ outcome }) => outcome.kind === 'no_such_letter');
  return {
    dry_run: isDryRun,
    replayed: outcomes.length - stay.length - missing.length,
    stay,
    no_such_letter: missing.map(({ sequence }) => sequence),
  };
}

export function replayText({ dry_run: isDryRun, replayed, stay, no_such_letter: missing }: ReplayDocument): string {
  const lines = [
    `${isDryRun ? 'would be replayed' : 'replayed'} ${replayed}, ${isDryRun ? 'would stay' : 'stay'} ${stay.length}`,
  ];
  for (const { sequence, reason, detail } of stay.slice(0, MAX_TOLD_LETTERS)) {
    lines.push(harmless(`  ${sequence}  ${reason}  ${detail}`));
  }
  if (stay.length > MAX_TOLD_LETTERS) lines.push(`  and ${stay.length - MAX_TOLD_LETTERS} more; --json has all`);
  for (const sequence of missing) lines.push(`There is no dead letter ${sequence}`);
  return `${lines.join('\n')}\n`;
}

/** What came from outside must not move the cursor, or turn text around. */
function harmless(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu, (character) =>
    character === '\n' || character === '\t' ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

function row(cells: readonly (string | number)[]): string {
  const widths = [9, 20, 24, 8, 11, 0];
  return harmless(cells.map((cell, index) => String(cell).padEnd(widths[index] ?? 0)).join(' ')).trimEnd();
}
