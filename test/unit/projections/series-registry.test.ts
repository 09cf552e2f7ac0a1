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
  for (let index = 0; index < 1_000_000; index += 1) registry.label('endpoint', `/e${index}`, index);
  assert.is(registry.takeFresh().length, SERIES_LIMITS.endpoint);
});

test('names that mean something to JavaScript are names like any other', () => {
  const registry = new SeriesRegistry([]);
  for (const name of ['__proto__', 'constructor', 'toString']) assert.is(registry.label('service', name, 1), name);
});

test.run();
