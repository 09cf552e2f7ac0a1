import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../support/seed.js';
import { distinctUsers } from '../../../src/queries/user-set.js';

const test = suite('sets of users');

/** As Postgres's int4send writes them. */
function encode(ids: readonly number[]): Buffer {
  const bytes = Buffer.alloc(ids.length * 4);
  for (const [index, id] of ids.entries()) bytes.writeInt32BE(id, index * 4);
  return bytes;
}

test('counts distinct ids of all of int32', () => {
  const id = fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.integer({ min: -40, max: 40 }));
  fc.assert(
    fc.property(fc.array(id, { maxLength: 200 }), (ids) => {
      assert.is(distinctUsers(encode(ids)), new Set(ids).size);
    }),
  );
});

test('nobody is no user', () => {
  assert.is(distinctUsers(Buffer.alloc(0)), 0);
});

test.run();
