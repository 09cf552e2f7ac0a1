import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { processIdentity } from '../../../src/devservices/index.js';
import { AlreadyRunning, lockOwner, takeRunLock } from '../../../src/devservices/run-lock.js';

const test = suite<{ folder: string; lock: string }>('the lock of one start a clone');

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'run-lock-'));
  context.lock = join(context.folder, 'lock');
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

test('while its owner runs nobody else gets it, and the message names the owner', ({ lock }) => {
  const release = takeRunLock(lock);
  assert.is(lockOwner(lock), process.pid);
  assert.throws(
    () => takeRunLock(lock),
    (error: Error) => error instanceof AlreadyRunning && error.message.includes(`process ${process.pid}`),
  );
  release();
  assert.is(lockOwner(lock), undefined);
  takeRunLock(lock)();
});

test('the lock of a process that is gone is taken over', ({ folder, lock }) => {
  const gone = spawnSync(process.execPath, ['-e', '']).pid;
  writeFileSync(lock, JSON.stringify({ pid: gone, identity: 'long ago' }));
  takeRunLock(lock)();
  assert.equal(readdirSync(folder), [], 'nothing lies around');
});

test('a later process with the same number does not keep the lock', ({ lock }) => {
  writeFileSync(lock, JSON.stringify({ pid: process.pid, identity: `${processIdentity(process.pid)}-before` }));
  takeRunLock(lock)();
  assert.not(existsSync(lock));
});

test('a lock cut off in the middle is taken over', ({ lock }) => {
  writeFileSync(lock, '{"pid":');
  takeRunLock(lock)();
  assert.not(existsSync(lock));
});

test.run();
