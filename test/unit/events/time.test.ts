import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../support/seed.js';
import { formatTime, parseRfc3339 } from '../../../src/events/time.js';

const test = suite('time');

const TIMES: readonly [text: string, iso: string | undefined][] = [
  ['2026-11-24T12:00:00Z', '2026-11-24T12:00:00.000Z'],
  ['2026-11-24t12:00:00z', '2026-11-24T12:00:00.000Z'],
  ['2026-11-24 12:00:00Z', '2026-11-24T12:00:00.000Z'],
  ['2026-11-24T12:00:00.1234567Z', '2026-11-24T12:00:00.123Z'],
  ['2026-11-24T12:00:00.5+05:30', '2026-11-24T06:30:00.500Z'],
  ['2026-11-24T23:30:00-01:00', '2026-11-25T00:30:00.000Z'],
  ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
  ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
  ['2017-02-28T23:59:60Z', '2017-03-01T00:00:00.000Z'],
  ['0050-01-01T00:00:00Z', '0050-01-01T00:00:00.000Z'],
  ['2026-02-30T00:00:00Z', undefined],
  ['2026-02-29T00:00:00Z', undefined],
  ['2026-13-01T00:00:00Z', undefined],
  ['2026-00-10T00:00:00Z', undefined],
  ['2026-01-00T00:00:00Z', undefined],
  ['2026-04-31T00:00:00Z', undefined],
  ['2026-11-24T24:00:00Z', undefined],
  ['2026-11-24T12:60:00Z', undefined],
  ['2026-11-24T12:00:61Z', undefined],
  ['2026-11-24T12:00:00+24:00', undefined],
  ['2026-11-24T12:00:00+01:60', undefined],
  ['2026-11-24T12:00:00', undefined],
  ['2026-11-24T12:00Z', undefined],
  ['2026-11-24', undefined],
  ['275760-09-13T00:00:00Z', undefined],
  ['+275760-09-13T00:00:00.000Z', undefined],
  ['2026-11-24T12:00:00Z ', undefined],
  ['24 Nov 2026', undefined],
  ['1764000000', undefined],
  ['', undefined],
];
for (const [text, iso] of TIMES) {
  test(`${JSON.stringify(text)} is ${iso ?? 'no time'}`, () => {
    const timeMs = parseRfc3339(text);
    assert.is(timeMs === undefined ? undefined : formatTime(timeMs), iso);
  });
}

test('every time that is written is read back as the same', () => {
  const latestMs = Date.UTC(9999, 11, 31);
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(1970, 0), max: latestMs }), (timeMs) => {
      assert.is(parseRfc3339(formatTime(timeMs)), timeMs);
    }),
    { verbose: true },
  );
});

test('a time as most write it is read like any other', () => {
  const usual = fc.tuple(
    fc.integer({ min: Date.UTC(2026, 0), max: Date.UTC(2026, 2) }),
    fc.nat(23),
    fc.constantFrom(...'0159:T.-x '),
  );
  fc.assert(
    fc.property(usual, ([timeMs, place, character]) => {
      const written = formatTime(timeMs);
      const changed = `${written.slice(0, place)}${character}${written.slice(place + 1, 23)}`;
      // With another offset it is read the longer way.
      assert.is(parseRfc3339(`${changed.slice(0, 23)}Z`), parseRfc3339(`${changed.slice(0, 23)}+00:00`));
    }),
    { verbose: true },
  );
});

test.run();
