import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseCoding } from '../../src/http/page-files.js';
import { parseDashboardQuestion } from '../../src/queries/dashboard-question.js';
import { beside } from '../../web/page/model/beside.js';
import { viewChange } from '../../web/page/model/change.js';
import * as format from '../../web/page/model/format.js';
import {
  between,
  dashboardPath,
  intervalFor,
  PRESET_NAMES,
  PRESETS,
  parseSelection,
  writeSelection,
} from '../../web/page/model/ranges.js';
import { largest, lonely, seriesNamed, sparkPath, stacked } from '../../web/page/model/series.js';
import { EventParser } from '../../web/page/model/sse.js';
import { firstEventCommand, isSendable, readClaims } from '../../web/page/model/token.js';

const test = suite('The page');

const plain = (text: string): string => text.replaceAll('\u00a0', ' ');

test('writes numbers as people read them', () => {
  const { count, percent, milliseconds, bytes, perSecond, duration, roughDuration, ago } = format;
  const cases: [string, string][] = [
    [count(9_999), '9,999'],
    [count(12_345), '12.3K'],
    [count(4_200_000), '4.2M'],
    [count(null), '–'],
    [percent(0), '0 %'],
    [percent(0.00012), '0.012 %'],
    [percent(0.0123), '1.23 %'],
    [percent(1), '100 %'],
    [milliseconds(0.42), '0.42 ms'],
    [milliseconds(432.4), '432 ms'],
    [milliseconds(1_234), '1.23 s'],
    [milliseconds(125_000), '2 min 5 s'],
    [bytes(0), '0 B'],
    [bytes(1_536), '1.5 KiB'],
    [bytes(512 * 1_048_576), '512 MiB'],
    [perSecond(0.00333), '0.0033/s'],
    [perSecond(123.4), '123/s'],
    [duration(0.2), '0 s'],
    [duration(3_780), '1 h 3 min'],
    [roughDuration(271), '5 min'],
    [roughDuration(18), '18 s'],
    [roughDuration(3_591), '1 h'],
    [duration(90_000), '1 d 1 h'],
    [ago(0, 4_000), 'just now'],
    [ago(9_000, 4_000), 'just now'],
    [ago(0, 90_000), '1 min ago'],
  ];
  for (const [written, wanted] of cases) assert.is(plain(written), wanted);
});

test('says how a number has changed, and whether that is welcome', () => {
  const change = (current: number | null, previous: number | null, relative: number | null) =>
    viewChange({ current, previous, change: relative }, 'down');
  assert.equal(change(120, 100, 0.2), { direction: 'up', tone: 'bad', text: '20%' });
  assert.equal(change(80, 100, -0.2), { direction: 'down', tone: 'good', text: '20%' });
  assert.equal(change(102, 100, 0.02), { direction: 'up', tone: 'neutral', text: '2%' }, 'a little is no news');
  assert.equal(change(1_500, 100, 14), { direction: 'up', tone: 'bad', text: '15×' });
  assert.equal(change(0, 0, null), { direction: 'flat', tone: 'neutral', text: '0%' });
  assert.is(change(5, 0, null), undefined, 'there was nothing before');
  assert.is(change(null, 5, null), undefined);
  assert.is(viewChange(undefined, 'up'), undefined);
});

test('asks only what the service answers', () => {
  const nowMs = Date.parse('2026-11-28T12:00:00Z');
  const ask = (path: string) => {
    const parameters = Object.fromEntries(new URL(path, 'http://localhost').searchParams);
    return parseDashboardQuestion(parameters, nowMs, 200);
  };
  for (const preset of PRESET_NAMES) {
    const outcome = ask(dashboardPath({ range: { kind: 'last', preset }, service: 'billing' }, true));
    assert.ok(outcome.ok, preset);
    assert.is(outcome.value.filters.service, 'billing');
    assert.is(outcome.value.range.intervalSeconds, PRESETS[preset].intervalSeconds);
  }
  for (const minutes of [1, 59, 600, 2_519, 2_521, 20_000, 120_000]) {
    const range = between(nowMs - minutes * 60_000, nowMs);
    assert.ok(range !== undefined);
    assert.ok(ask(dashboardPath({ range, service: undefined }, false)).ok, `${minutes} minutes`);
    assert.ok((minutes * 60) / intervalFor(nowMs - minutes * 60_000, nowMs) <= 180, `${minutes} minutes`);
  }
});

test('keeps in its address what is looked at', () => {
  for (const query of ['', '?range=7d', '?range=1h&service=auth', '?service=auth']) {
    assert.is(writeSelection(parseSelection(query)), query);
  }
  const query = writeSelection({ range: { kind: 'between', fromMs: 0, toMs: 3_600_000 }, service: undefined });
  assert.equal(parseSelection(query).range, { kind: 'between', fromMs: 0, toMs: 3_600_000 });
  // What makes no sense is as if it were not there.
  for (const wrong of [
    '?range=8d',
    '?range=constructor',
    '?from=x&to=y',
    '?from=2026-01-02&to=2026-01-01',
    '?service=a b',
  ]) {
    assert.equal(parseSelection(wrong), { range: { kind: 'last', preset: '24h' }, service: undefined });
  }
});

test('stacks what there is most of, and adds up the rest', () => {
  const series = (...values: number[]) => values.map((value) => ({ t: '2026-11-28T12:00:00.000Z', value }));
  const types = largest(
    { b: series(1, 1), a: series(5, 0), other: series(0, 2), c: series(1, 2), none: series(0, 0) },
    2,
  );
  assert.equal(
    types.map(({ name, values, total }) => [name, values, total]),
    [
      ['a', [5, 0], 5],
      ['c', [1, 2], 3],
      ['other', [1, 3], 4],
    ],
  );
  assert.equal(stacked(types), [
    [5, 0],
    [6, 2],
    [7, 5],
  ]);
  assert.equal(lonely([null, 1, null, 2, 3, null, 4]), [1, 6]);
  assert.is(sparkPath([0, null, 10, 5], 30, 10).line, 'M0 10L20 0L30 5');
  assert.equal(sparkPath([3], 30, 10), { line: '', area: '' });
  assert.is(sparkPath([0, 0], 30, 10).line, 'M0 10L30 10');
});

test('reads server-sent events however they are cut', () => {
  const sent = 'retry: 3000\n\n: heartbeat\n\nevent: summary\nid: 1\ndata: {"a":\ndata: 1}\n\ndata: x\n\n';
  const wanted = [
    { event: 'summary', data: '{"a":\n1}' },
    { event: 'message', data: 'x' },
  ];
  for (const size of [1, 7, 1_000]) {
    const parser = new EventParser();
    const pieces = Array.from({ length: Math.ceil(sent.length / size) }, (_, index) =>
      sent.slice(index * size, (index + 1) * size),
    );
    assert.equal(
      pieces.flatMap((piece) => parser.push(piece)),
      wanted,
    );
  }
  assert.throws(() => {
    const parser = new EventParser();
    for (let count = 0; count < 10; count += 1) parser.push('x'.repeat(1_000_000));
  }, /too long/);
});

test('waits for what stands beside the numbers no longer than it may', async () => {
  const never = new Promise<number>(() => undefined);
  assert.is(await beside(never, Promise.resolve(), 1), undefined);
  assert.is(await beside(Promise.resolve(7), never, 1), 7);
  const gone = beside(never, Promise.reject(new Error('gone')), 1);
  assert.is(await gone.catch((error: unknown) => String(error)), 'Error: gone');
});

test('finds no series of a service that is named as what every object has', () => {
  const series = [{ t: '2026-11-28T00:00:00Z', value: 1 }];
  const split = JSON.parse(JSON.stringify({ billing: series }));
  assert.equal(seriesNamed(split, 'billing'), series);
  for (const name of ['constructor', '__proto__', 'toString']) assert.equal(seriesNamed(split, name), []);
});

test('shows what a token says, and sends nothing that a header or a shell would take for its own', () => {
  const token = `x.${Buffer.from('{"sub":"jürgen","exp":60}').toString('base64url')}.y`;
  assert.equal(readClaims(token), { subject: 'jürgen', expiresAtMs: 60_000 });
  for (const exp of ['1e20', '-1e300', '1e400']) {
    const far = `x.${Buffer.from(`{"exp":${exp}}`).toString('base64url')}.y`;
    assert.equal(readClaims(far), { subject: undefined, expiresAtMs: undefined });
  }
  assert.equal(readClaims('no token'), { subject: undefined, expiresAtMs: undefined });
  assert.ok(isSendable(token));
  for (const wrong of ['', 'a b', "a'; reboot '", 'a\r\nx: y', 'ü']) assert.not(isSendable(wrong));
  assert.match(
    firstEventCommand('http://localhost:8005', token),
    /^curl -X POST http:\/\/localhost:8005\/metrics\/events /,
  );
});

test('is sent in the smallest form that the client takes', () => {
  const both = new Map([
    ['br', 0],
    ['gzip', 0],
  ] as const);
  assert.is(chooseCoding('gzip, deflate, br, zstd', both), 'br');
  assert.is(chooseCoding('GZIP;q=0.5', both), 'gzip');
  assert.is(chooseCoding('br;q=0, gzip;q=0.0', both), undefined);
  assert.is(chooseCoding(undefined, both), undefined);
  assert.is(chooseCoding('br', new Map()), undefined);
});

const MAX_SCRIPT_BYTES = 200_000;

test('has at most 200 kB of script, before it is compressed', () => {
  const assets = join(import.meta.dirname, '../../page/assets');
  const scripts = readdirSync(assets).filter((name) => name.endsWith('.js'));
  const bytes = scripts.reduce((sum, name) => sum + statSync(join(assets, name)).size, 0);
  assert.ok(scripts.length > 0);
  assert.ok(bytes <= MAX_SCRIPT_BYTES, `${bytes} bytes`);
});

test.run();
