import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runHere } from '../../support/command-line.js';

const test = suite('metrics nkey');
const folder = mkdtempSync(join(tmpdir(), 'metrics-test-nkey-'));
test.after(() => rmSync(folder, { recursive: true }));

test('writes a seed for its owner alone, and prints the public key that belongs to it', async () => {
  const file = join(folder, 'service.nk');
  const { status, stdout } = await runHere(['nkey', file], {});
  assert.is(status, 0);
  assert.match(stdout, /^U[A-Z2-7]{55}\n$/);
  assert.is(nkeys.fromSeed(Buffer.from(readFileSync(file, 'utf8').trim())).getPublicKey(), stdout.trim());
  assert.is(statSync(file).mode & 0o777, 0o600);
  assert.not.match(stdout, readFileSync(file, 'utf8').trim());
});

test('replaces no key that is there', async () => {
  const file = join(folder, 'kept.nk');
  await runHere(['nkey', file], {});
  const before = readFileSync(file, 'utf8');
  const { status, stdout, stderr } = await runHere(['nkey', file], {});
  assert.is(status, 2);
  assert.is(stdout, '');
  assert.match(stderr, 'is there already');
  assert.is(readFileSync(file, 'utf8'), before);
});

test('says where it cannot write', async () => {
  const { status, stderr } = await runHere(['nkey', join(folder, 'no-such-folder', 'x.nk')], {});
  assert.is(status, 2);
  assert.match(stderr, 'cannot be written');
});

test.run();
