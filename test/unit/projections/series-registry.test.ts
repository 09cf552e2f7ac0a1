import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SeriesRegistry } from '../../../src/projections/series-registry.js';
import { OTHER, SERIES_LIMITS } from '../../../src/store/summary-schema.js';

const test = suite('series registry');

test('names are admitted first come, first served, up to the limit; the rest is other', () => {
  const registry = new SeriesRegistry([]);
  for (let index = 0; index < SERIES_LIMITS.feature; index += 1) {
    assert.is(registry.label('feature', `f${index}`, index), `f${index}`);
  }
  assert.is(registry.label('feature', 'late', 1_000), OTHER);
  assert.is(registry.admit('feature', 'late', 1_000), undefined);
  assert.is(registry.label('feature', 'f0', 1_001), 'f0', 'what was admitted stays');
  assert.is(registry.label('service', 'late', 1_002), 'late', 'each kind has a limit of its own');
});

test('what was admitted is handed out once, with the position at which it was', () => {
  const registry = new SeriesRegistry([{ kind: 'service', key: 'old' }]);
  registry.label('service', 'old', 5);
  registry.label('service', 'new', 6);
  registry.label('service', 'new', 7);
  assert.equal(registry.takeFresh(), [{ kind: 'service', key: 'new', sequence: 6 }]);
  assert.equal(registry.takeFresh(), []);
});

test('a million distinct names are bounded', () => {
  const registry = new SeriesRegistry([]);
  for (let index = 0; index < 1_000_000; index += 1) registry.label('gauge', `g${index}`, index);
  assert.is(registry.takeFresh().length, SERIES_LIMITS.gauge);
});

const ROUTES = SERIES_LIMITS.http_route;
const RESTS = SERIES_LIMITS.http_rest;
for (const [given, before, series] of [
  ['among the first', 0, 'web\tGET\t/'],
  ['after all places of endpoints are taken', ROUTES, 'web\tGET\tother'],
  ['after those of the rest are taken, too', ROUTES + RESTS, 'other\tGET\tother'],
] as const) {
  test(`a request that comes ${given} counts for ${JSON.stringify(series)}`, () => {
    const registry = new SeriesRegistry([]);
    for (let index = 0; index < before; index += 1) registry.httpSeries(`s${index}`, 'GET', '/', index);
    assert.is(registry.httpSeries('web', 'GET', '/', before), series);
  });
}

test('further methods of known endpoints have places of their own, as many as there are', () => {
  const registry = new SeriesRegistry([]);
  for (let index = 0; index < ROUTES; index += 1) registry.httpSeries(`s${index}`, 'GET', '/', index);
  for (let index = 0; index < SERIES_LIMITS.http_method; index += 1) {
    assert.is(registry.httpSeries(`s${index}`, 'HEAD', '/', ROUTES + index), `s${index}\tHEAD\t/`);
  }
  assert.is(registry.httpSeries(`s${ROUTES - 1}`, 'HEAD', '/', 9_999), `s${ROUTES - 1}\tHEAD\tother`);
  assert.is(registry.httpSeries('s0', 'HEAD', '/', 9_999), 's0\tHEAD\t/', 'what was admitted stays');
});

test('a status that comes after all places of statuses are taken is its class', () => {
  const registry = new SeriesRegistry([]);
  for (let index = 0; index < SERIES_LIMITS.http_status; index += 1) registry.httpStatus(`s${index}`, 200, index);
  assert.equal(
    [200, 201, 503].map((code) => registry.httpStatus('s0', code, 9_999)),
    ['200', '2xx', '5xx'],
  );
});

test('names that mean something to JavaScript are names like any other', () => {
  const registry = new SeriesRegistry([]);
  for (const name of ['__proto__', 'constructor', 'toString']) assert.is(registry.label('service', name, 1), name);
});

test.run();
