import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findPrograms, startNats, startRedis } from '../../../src/devservices/index.js';

const HAS_APT = existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/dpkg');
const test = suite<{ root: string }>('servers from packages');

test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), 'apt-'));
});
test.after.each(({ root }) => rmSync(root, { recursive: true, force: true }));

const find = (root: string, log: (line: string) => void) =>
  findPrograms({ root, env: { PATH: '' }, onlyPath: true, kinds: ['nats', 'redis'], log });

/** Downloads 20 MB: skipped where this is no Debian-like system, which has no apt-get to try. */
const withApt = HAS_APT ? test : test.skip;

withApt(
  'are unpacked without a change to the system, run, and are found by the next call without a download',
  async ({ root }) => {
    const lines: string[] = [];
    const { programs, ways } = await find(root, (line) => lines.push(line));
    assert.equal(ways, { nats: 'apt', redis: 'apt' });
    for (const program of [programs.natsServer, programs.redisServer]) assert.ok(program.startsWith(root), program);

    const [nats, redis] = await Promise.all([
      startNats({ programs, dataDir: join(root, 'nats') }),
      startRedis({ programs, dataDir: join(root, 'redis') }),
    ]);
    await Promise.all([nats.stop(), redis.stop()]);

    const again = await find(root, (line) => lines.push(line));
    assert.equal(again.programs, programs);
    assert.is(lines.length, 1, 'one download');
    const [system = ''] = readdirSync(join(root, '.data', 'servers'));
    assert.equal(
      readdirSync(join(root, '.data', 'servers', system)).sort(),
      ['nats', 'redis'],
      'no state of apt is left',
    );
  },
);

test('where neither programs nor packages are to be had, one message tells the ways to go on', async ({ root }) => {
  // A PATH without apt-get is as good as a system without it.
  const path = process.env.PATH;
  process.env.PATH = '';
  try {
    const error = await find(root, () => undefined).catch((thrown: unknown) => thrown);
    assert.instance(error, Error);
    assert.match(String(error), /No way was found to run nats, redis/);
    assert.match(String(error), /NATS_URL/);
  } finally {
    process.env.PATH = path;
  }
});

test.run();
