import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { missingServersMessage } from '../../../src/devservices/find-programs.js';
import { findInstalled } from '../../../src/devservices/index.js';
import { findPostgresBin, findProgram, versionedBins } from '../../../src/devservices/programs.js';

const test = suite<{ folder: string }>('programs on this machine');

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'programs-'));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

function putProgram(folder: string, name: string, mode = 0o755): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, '#!/bin/sh\n');
  chmodSync(path, mode);
  return path;
}

test('a program is found in the first folder of PATH that has it', ({ folder }) => {
  const [first, second] = [join(folder, 'a'), join(folder, 'b')];
  putProgram(second, 'nats-server');
  const path = [first, second].join(delimiter);
  assert.is(findProgram('nats', path, true), join(second, 'nats-server'));
  putProgram(first, 'nats-server');
  assert.is(findProgram('nats', path, true), join(first, 'nats-server'));
});

test('a file that may not be run, or a folder of that name, is no program', ({ folder }) => {
  putProgram(folder, 'nats-server', 0o644);
  mkdirSync(join(folder, 'redis-server'));
  assert.is(findProgram('nats', folder, true), undefined);
  assert.is(findProgram('redis', folder, true), undefined);
});

test('valkey-server stands in for redis-server', ({ folder }) => {
  const valkey = putProgram(folder, 'valkey-server');
  assert.is(findProgram('redis', folder, true), valkey);
  const redis = putProgram(folder, 'redis-server');
  assert.is(findProgram('redis', folder, true), redis);
});

test('Postgres needs both of its programs in one folder', ({ folder }) => {
  const [half, whole] = [join(folder, 'half'), join(folder, 'whole')];
  putProgram(half, 'postgres');
  putProgram(whole, 'postgres');
  putProgram(whole, 'initdb');
  assert.is(findPostgresBin([half]), undefined);
  assert.is(findPostgresBin([half, whole]), whole);
});

test('of several versions of Postgres the newest comes first', ({ folder }) => {
  for (const name of ['9.6', '17', '15', 'common']) mkdirSync(join(folder, name));
  assert.equal(
    versionedBins(folder),
    ['17', '15', '9.6'].map((version) => join(folder, version, 'bin')),
  );
});

test('what is not there is listed as missing, and the message names three ways to go on', ({ folder }) => {
  putProgram(folder, 'redis-server');
  const found = findInstalled({ root: folder, env: { PATH: folder }, onlyPath: true });
  assert.equal(found.missing, ['nats', 'postgres']);
  assert.equal(found.ways, { redis: 'program' });
  const message = missingServersMessage(found.missing, 'no apt here');
  for (const word of ['nats, postgres', 'install', 'Docker', 'NATS_URL', 'no apt here']) assert.match(message, word);
});

test.run();
