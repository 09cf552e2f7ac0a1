import { headers, NatsError } from 'nats';
import * as assert from 'uvu/assert';
import { projected, type Stage } from '../../faults/stage.js';
import { AnswerChecker } from '../../support/answer-checker.js';
import type { KeepAliveClient, PlainAnswer } from '../../support/keep-alive-client.js';
import { sendRaw } from '../../support/raw-http.js';
import { bytesOf, type FuzzCase, headersOf } from './fuzz-cases.js';

/** What became of what was sent. Each transmission is in one of these. */
export interface FuzzCounts {
  sent: number;
  /** By a 202 or a PubAck, and new to the stream. */
  accepted: number;
  duplicates: number;
  /** By an answer other than 202, or by JetStream itself. */
  rejected: number;
  /** Of those that were accepted. */
  deadLettered: number;
  rows: number;
  /** Accepted with the id of an event that is in the tables already. */
  dropped: number;
  /** Questions, and bytes that are no event. */
  others: number;
}

export const NOTHING: Readonly<FuzzCounts> = {
  sent: 0,
  accepted: 0,
  duplicates: 0,
  rejected: 0,
  deadLettered: 0,
  rows: 0,
  dropped: 0,
  others: 0,
};

export interface FuzzParts {
  readonly stage: Stage;
  readonly http: KeepAliveClient;
  readonly checker: AnswerChecker;
}

const NATS_TIMEOUT_MS = 30_000;
/** A projector that has not come to the end by then is stuck. */
const PROJECTED_TIMEOUT_MS = 60_000;
const REFUSALS: ReadonlySet<number> = new Set([400, 413, 415, 422]);
/** What would spoil a batch as a whole rather than one event of it. */
const SPOILS_A_BATCH = /__proto__|constructor|\\u/;

let runs = 0;

/** A message of the log and the one that it repeats, by sequence. */
interface Stored {
  readonly sequence: number;
  readonly repeats: number | undefined;
}

interface Sending {
  readonly counts: FuzzCounts;
  /** Messages that came over NATS; all others have to be rows. */
  readonly overNats: Stored[];
}

/**
 * Sends cases, waits until the projector has reached the end of the log, and looks where each message of it has come.
 *
 * @throws AssertionError where an answer is none that is allowed, or a message was lost, doubled or invented
 */
export async function runCases(parts: FuzzParts, cases: readonly FuzzCase[]): Promise<FuzzCounts> {
  const { stage } = parts;
  runs += 1;
  const from = await lastSequence(stage);
  const sending: Sending = { counts: { ...NOTHING }, overNats: [] };
  const ids = cases.map((_, index) => `fuzz-${runs}-${index}-${((runs * 10_007 + index) * 2_654_435_761) % 2 ** 32}`);
  const of = (way: FuzzCase['way']) =>
    cases.flatMap((each, index) => (wayOf(each) === way ? [{ each, id: ids[index] ?? '' }] : []));
  await Promise.all([
    ...of('nats').map(({ each, id }) => publish(parts, sending, each, id)),
    ...of('post').map(({ each, id }) => post(parts, sending, each, id)),
    ...of('raw').map(({ each }) => raw(parts, sending, each)),
    ...of('ask').map(({ each }) => ask(parts, sending, each)),
    postBatch(parts, sending, 'application/x-ndjson', of('line')),
    postBatch(parts, sending, 'application/json', of('item')),
  ]);
  await projected(stage, PROJECTED_TIMEOUT_MS);
  await account(stage, sending, from);
  return sending.counts;
}

/** One that would spoil a batch goes as a line. */
function wayOf(each: FuzzCase): FuzzCase['way'] {
  if (each.way !== 'item') return each.way;
  const isPlain = each.scar.kind === 'none' && each.mode === 'plain';
  return isPlain && !SPOILS_A_BATCH.test(JSON.stringify(each.event)) ? 'item' : 'line';
}

async function lastSequence({ connection }: Stage): Promise<number> {
  const manager = await connection.jetstreamManager();
  return (await manager.streams.info('METRICS')).state.last_seq;
}

async function publish({ stage }: FuzzParts, { counts, overNats }: Sending, each: FuzzCase, id: string): Promise<void> {
  const described = headers();
  const given = { ...headersOf(each, id), ...(each.idPlace === 'header' ? { 'Nats-Msg-Id': id } : {}) };
  for (const [name, value] of Object.entries(given)) described.set(name, value);
  let first: number | undefined;
  for (let times = each.isRepeated ? 2 : 1; times > 0; times -= 1) {
    counts.sent += 1;
    try {
      const ack = await stage.jetstream.publish(`metrics.events.${each.subject}`, bytesOf(each, id), {
        headers: described,
        timeout: NATS_TIMEOUT_MS,
      });
      if (ack.duplicate) counts.duplicates += 1;
      else {
        counts.accepted += 1;
        overNats.push({ sequence: ack.seq, repeats: first });
        first = ack.seq;
      }
    } catch (error) {
      // A header told JetStream what to expect, and it was not so.
      if (!(error instanceof NatsError) || error.api_error === undefined) throw error;
      counts.rejected += 1;
    }
  }
}

async function post(parts: FuzzParts, { counts }: Sending, each: FuzzCase, id: string): Promise<void> {
  for (let times = each.isRepeated ? 2 : 1; times > 0; times -= 1) {
    counts.sent += 1;
    const answer = await ask202(parts, '/metrics/events', headersOf(each, id), bytesOf(each, id));
    if (answer === undefined) counts.rejected += 1;
    else if ((JSON.parse(answer.text) as { duplicate: boolean }).duplicate) counts.duplicates += 1;
    else counts.accepted += 1;
  }
}

type WithId = { readonly each: FuzzCase; readonly id: string };

async function postBatch(parts: FuzzParts, { counts }: Sending, type: string, cases: readonly WithId[]): Promise<void> {
  const texts = cases.flatMap(({ each, id }) => {
    const text = bytesOf(each.mode === 'plain' ? each : { ...each, mode: 'plain' }, id);
    // A line break makes two lines of one, and a blank line is none.
    const line = Buffer.from(text.map((byte) => (byte === 0x0a ? 0x20 : byte)));
    const solid = line.toString('latin1').trim() === '' ? Buffer.from('x') : line;
    return each.isRepeated ? [solid, solid] : [solid];
  });
  if (texts.length === 0) return;
  const isLines = type !== 'application/json';
  const separator = Buffer.from(isLines ? '\n' : ',');
  const joined = Buffer.concat(texts.flatMap((text, index) => (index === 0 ? [text] : [separator, text])));
  const body = isLines ? joined : Buffer.concat([Buffer.from('{"events":['), joined, Buffer.from(']}')]);
  counts.sent += texts.length;
  const answer = await ask202(parts, '/metrics/events/batch', { 'content-type': type }, body);
  if (answer === undefined) {
    counts.rejected += texts.length;
    return;
  }
  const told = JSON.parse(answer.text) as { accepted: number; duplicates: number; rejected: unknown[] };
  counts.accepted += told.accepted;
  counts.duplicates += told.duplicates;
  counts.rejected += told.rejected.length;
}

/** Posts; the answer where it is a 202, undefined where it is a refusal that is allowed. */
async function ask202(
  { stage, http, checker }: FuzzParts,
  path: string,
  given: Record<string, string>,
  body: Uint8Array,
): Promise<PlainAnswer | undefined> {
  const answer = await http.send('POST', path, { authorization: `Bearer ${stage.client.token}`, ...given }, body);
  assert.ok(answer.status === 202 || REFUSALS.has(answer.status), `${answer.status} ${answer.text}`);
  checkAnswer(checker, 'POST', path, answer);
  return answer.status === 202 ? answer : undefined;
}

async function ask({ stage, http, checker }: FuzzParts, { counts }: Sending, { question }: FuzzCase): Promise<void> {
  const answer = await http.send('GET', question, { authorization: `Bearer ${stage.client.token}` });
  assert.ok(answer.status < 500, `${question}: ${answer.status} ${answer.text}`);
  checkAnswer(checker, 'GET', question, answer);
  counts.others += 1;
}

function checkAnswer(checker: AnswerChecker, method: string, path: string, answer: PlainAnswer): void {
  const headers = new Headers(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]));
  checker.check(method, path, { status: answer.status, headers, text: answer.text });
}

/** Bytes that look like a request more or less, without a token. */
async function raw({ stage }: FuzzParts, { counts }: Sending, each: FuzzCase): Promise<void> {
  const bytes = bytesOf(each, 'raw');
  const lines = Object.entries(each.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = each.isRepeated ? `content-length: ${bytes.length + 7}\r\n` : '';
  const head = `POST /metrics/events HTTP/1.1\r\nhost: x\r\n${lines.join('')}${length}\r\n`;
  const text = await sendRaw(stage.client.url, each.scar.kind === 'instead' ? [bytes] : [head, bytes], {
    isHalfClosed: true,
  });
  for (const [, status] of text.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
    assert.ok(Number(status) >= 400 && Number(status) < 500, text);
  }
  counts.others += 1;
}

/** Holds each message of the log to the tables and the dead letters. */
async function account(stage: Stage, { counts, overNats }: Sending, from: number): Promise<void> {
  const until = await lastSequence(stage);
  const [rows, letters] = await Promise.all([rowsOf(stage, from), lettersOf(stage, from)]);
  const natsOnes = new Map(overNats.map((stored) => [stored.sequence, stored]));
  const lost: number[] = [];
  for (let sequence = from + 1; sequence <= until; sequence += 1) {
    const isRow = rows.has(sequence);
    const isLetter = letters.has(sequence);
    const repeats = natsOnes.get(sequence)?.repeats;
    if (!isRow && !isLetter && repeats !== undefined && rows.has(repeats)) counts.dropped += 1;
    else if (isRow === isLetter || (isLetter && !natsOnes.has(sequence))) lost.push(sequence);
  }
  assert.equal(lost, [], 'each message is a row, a dead letter, or the repeat of a row; what HTTP took is a row');
  counts.rows = rows.size;
  counts.deadLettered = letters.size;
  assert.is(until - from, counts.accepted, 'the log has what was accepted');
  assert.is(counts.rows, counts.accepted - counts.deadLettered - counts.dropped);
  assert.is(counts.sent, counts.accepted + counts.duplicates + counts.rejected);
}

async function rowsOf({ pool }: Stage, from: number): Promise<Set<number>> {
  const { rows } = await pool.query<{ stream_seq: string }>(
    `select stream_seq from user_events where stream_seq > $1
     union all select stream_seq from system_metrics where stream_seq > $1
     union all select stream_seq from api_metrics where stream_seq > $1`,
    [from],
  );
  const found = new Set(rows.map(({ stream_seq: sequence }) => Number(sequence)));
  assert.is(found.size, rows.length, 'no message is two rows');
  return found;
}

/** How far METRICS_DEADLETTERS was read. */
let lettersRead = 0;

async function lettersOf({ connection }: Stage, from: number): Promise<Set<number>> {
  const manager = await connection.jetstreamManager();
  const { last_seq: last } = (await manager.streams.info('METRICS_DEADLETTERS')).state;
  const sequences = Array.from({ length: last - lettersRead }, (_, index) => lettersRead + 1 + index);
  lettersRead = last;
  const found = await Promise.all(
    sequences.map(async (seq) => {
      const { header } = await manager.streams.getMessage('METRICS_DEADLETTERS', { seq });
      return Number(header.get('Metrics-Stream-Sequence'));
    }),
  );
  const unique = new Set(found);
  assert.is(unique.size, found.length, 'no message is two dead letters');
  assert.ok(found.every((sequence) => sequence > from));
  return unique;
}
