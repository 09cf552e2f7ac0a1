import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ServerState } from '../../../src/devservices/state.js';

const test = suite<{ folder: string; path: string }>('what one start leaves for the next');

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'server-state-'));
  context.path = join(context.folder, 'servers.json');
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

test('is read back by the next start', ({ folder, path }) => {
  const record = { way: 'program', port: 20_001, pid: 77, identity: 'boot:1' } as const;
  new ServerState(path).set('nats', record);
  assert.equal(new ServerState(path).get('nats'), record);
  assert.is(new ServerState(path).get('redis'), undefined);
  assert.equal(readdirSync(folder), ['servers.json']);
});

test('counts as empty where it was cut off or is something else', ({ path }) => {
  for (const text of ['', '{"nats":{"way":', '[]', 'null', '{"nats":{"port":"x"}}']) {
    writeFileSync(path, text);
    assert.is(new ServerState(path).get('nats'), undefined, text);
  }
});

test.run();
