import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('The rooms');

/** This file is dist/test/unit/rooms.test.js when it runs. */
const ROOT = resolve(import.meta.dirname, '../../..');
const SOURCE = join(ROOT, 'src');

/** Which rooms each room may import. `config` and the like are the files of src itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  events: [],
  client: [],
  demo: ['client', 'events', 'stream'],
  store: ['migrations'],
  telemetry: [],
  devservices: [],
  stream: ['events'],
  commands: ['events', 'stream'],
  projections: ['events', 'stream', 'store', 'telemetry'],
  queries: ['store'],
  alerts: ['events', 'stream', 'store', 'telemetry', 'config-error'],
  http: ['commands', 'queries', 'events', 'stream', 'telemetry', 'config', 'version'],
  cli: [
    'app',
    'demo',
    'client',
    'alerts',
    'config',
    'config-error',
    'version',
    'wait-for-server',
    'events',
    'projections',
    'queries',
    'store',
    'stream',
    'telemetry',
    'devservices',
  ],
};

interface Import {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

function roomOf(path: string): string {
  const [first = '', ...rest] = relative(SOURCE, path).split('/');
  if (first === '..') return rest[0] ?? '';
  return first.replace(/\.(ts|js)$/, '');
}

function imports(): Import[] {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return files.flatMap((name) => {
    const file = join(SOURCE, name);
    const specifiers = readFileSync(file, 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g);
    return [...specifiers].map(([, specifier = '']) => ({
      file: name,
      from: roomOf(file),
      to: roomOf(resolve(dirname(file), specifier)),
    }));
  });
}

test('import only what lies before them', () => {
  const found = imports();
  assert.ok(found.length > 100, 'the imports were found');
  const forbidden = found.filter(
    ({ from, to }) => from in MAY_IMPORT && from !== to && !MAY_IMPORT[from]?.includes(to),
  );
  assert.equal(forbidden, []);
});

test('leave the client of NATS to src/stream, and to what other programs import', () => {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const named = files.filter((name) => /from 'nats'/.test(readFileSync(join(SOURCE, name), 'utf8')));
  assert.ok(named.length > 0);
  assert.equal(
    named.filter((name) => !/^(?:stream|client)\//.test(name)),
    [],
  );
});

test('give other programs a client that imports the NATS client and Node.js, and nothing else, not even types', () => {
  const files = readdirSync(join(SOURCE, 'client'));
  const named = files.flatMap((name) =>
    Array.from(
      readFileSync(join(SOURCE, 'client', name), 'utf8').matchAll(/(?:from|import\()\s*'([^']+)'/g),
      ([, to]) => to,
    ),
  );
  assert.ok(named.includes('nats') && named.includes('node:http'));
  assert.equal(
    named.filter((to) => !/^(?:\.\/.*|nats|node:.*)$/.test(to ?? '')),
    [],
  );
});

test('are brought up by scripts that need no package before it is installed', () => {
  const scripts = join(ROOT, 'scripts');
  const staticImports = (name: string): string[] =>
    Array.from(
      readFileSync(join(scripts, name), 'utf8').matchAll(/^(?:import|\} from) .*'([^']+)';$/gm),
      ([, to = '']) => to,
    );
  const seen = new Set<string>();
  const packages: string[] = [];
  const follow = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const to of staticImports(name)) {
      if (to.startsWith('.')) follow(join(dirname(name), to));
      else if (!to.startsWith('node:')) packages.push(`${name} imports ${to}`);
    }
  };
  for (const name of ['start', 'test', 'metrics', 'demo', 'bench', 'pictures']) follow(`${name}.mjs`);
  assert.ok(seen.has('testing/containers.mjs') && seen.has('bootstrap.mjs'));
  assert.equal(packages, []);
});

test('are all known to the rule and to docs/architecture.md', () => {
  const map = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');
  for (const entry of readdirSync(SOURCE, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    // The composition knows every room.
    if (entry.name !== 'app') assert.ok(entry.name in MAY_IMPORT, entry.name);
    assert.ok(map.includes(`src/${entry.name}`), entry.name);
  }
});

test.run();
