import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import { type DeadLetter, parkDeadLetters } from '../../src/stream/dead-letters.js';
import { ParkedLetters } from '../../src/stream/parked-letters.js';
import { allLetters, forgetIds } from '../support/letters.js';
import { openLog, type TestLog } from '../support/log.js';
import { message } from '../support/messages.js';
import { startTestNats } from '../support/servers.js';

const test = suite('letters that lie there already');
const MAX_PAYLOAD = 1_048_576;
const DAY_MS = 86_400_000;
const NOW_MS = Date.now();
const TWO_DAYS_AGO_MS = NOW_MS - 2 * DAY_MS;
let nats: ManagedServer;
let log: TestLog;

function letter(sequence: number, storedAtMs = TWO_DAYS_AGO_MS): DeadLetter {
  const refusal = { reason: 'invalid_json', errors: [] } as const;
  return { message: message('metrics.events.user.a', 'x', { sequence, storedAtMs }), refusal };
}
async function park(letters: readonly DeadLetter[]): Promise<void> {
  assert.ok(await parkDeadLetters(log.appender, letters, MAX_PAYLOAD));
}
const sequencesOf = (letters: readonly DeadLetter[]): number[] => letters.map(({ message: { sequence } }) => sequence);

test.before(async () => {
  nats = await startTestNats();
  log = await openLog(nats.url);
  await park([5, 3, 9, 7].map((sequence) => letter(sequence)));
  await forgetIds(log, 'METRICS_DEADLETTERS', 'metrics.deadletter.probe');
});
test.after(async () => {
  await log.close();
  await nats.stop();
});

test('are left out where the stream has forgotten their ids, and others are not', async () => {
  const parked = new ParkedLetters(log, () => NOW_MS);
  const anew = letter(5, TWO_DAYS_AGO_MS + 1);
  const fresh = await parked.without([letter(2), letter(3), letter(4), letter(5), anew, letter(7), letter(11)]);
  assert.equal(sequencesOf(fresh), [2, 4, 5, 11]);
  assert.is(fresh[2], anew, 'a stream that was made anew has another message there');
  const before = (await allLetters(log)).length;
  await park(await parked.without([3, 5, 7, 9].map((sequence) => letter(sequence))));
  assert.is((await allLetters(log)).length, before);
  // Without the look the stream would have taken it once more.
  await park([letter(3)]);
  assert.is((await allLetters(log)).length, before + 1);
});

test('are found however few of them may be held at a time', async () => {
  const parked = new ParkedLetters(log, () => NOW_MS, 1);
  const found: number[] = [];
  for (let sequence = 1; sequence <= 12; sequence += 1) {
    if ((await parked.without([letter(sequence)])).length === 0) found.push(sequence);
  }
  assert.equal(found, [3, 5, 7, 9]);
});

test('are not looked for where the stream itself knows the ids', async () => {
  const manager = new Proxy(log.manager, {
    get: () => {
      throw new Error('was asked');
    },
  });
  const parked = new ParkedLetters({ ...log, manager }, () => NOW_MS);
  const today = letter(3, NOW_MS - DAY_MS / 2);
  assert.equal(await parked.without([today]), [today]);
  await parked.without([letter(3)]).then(
    () => assert.unreachable(),
    ({ message: text }: Error) => assert.is(text, 'was asked'),
  );
});

test.run();
