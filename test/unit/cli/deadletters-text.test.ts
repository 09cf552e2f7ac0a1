import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { listDocument, listText, showDocument, showText } from '../../../src/cli/deadletters-text.js';
import type { Letter } from '../../../src/stream/letters.js';
import { NOON_MS } from '../../support/messages.js';

const test = suite('what is told of dead letters');

const letterOf = (subject: string): Letter => ({
  sequence: 1,
  parkedAtMs: NOON_MS,
  kind: 'event',
  reason: 'invalid_fields',
  detail: '/user_id must be an integer, anna',
  subject,
  logSequence: 9,
  atMs: NOON_MS,
  bytes: 40,
  isTruncated: false,
});

const SUBJECTS: readonly [subject: string, listed: string][] = [
  ['metrics.events.user.user_login', 'metrics.events.user.user_login'],
  ['metrics.events.api.billing-2', 'metrics.events.api.billing-2'],
  ['metrics.events.user.anna@example.org', 'metrics.events.user.*.org'],
  ['metrics.events.user.4711.login', 'metrics.events.user.*.login'],
  ['patients.4711.admitted', 'patients.*.admitted'],
  ['appointments.created', 'appointments.created'],
];
for (const [subject, expected] of SUBJECTS) {
  test(`a letter that came under ${subject} is listed under ${expected}, and shown as it came`, () => {
    const letter = letterOf(subject);
    const document = listDocument([letter], new Map([['invalid_fields', 1]]));
    assert.is(document.letters[0]?.subject, expected);
    const told = `${JSON.stringify(document)}${listText(document)}`;
    assert.not.match(told, /anna|4711/);
    const shown = showDocument(letter, { data: Buffer.from('{"name":"anna"}'), header: () => undefined });
    assert.is(shown.subject, subject);
    assert.match(showText(shown), 'anna');
  });
}

test.run();
