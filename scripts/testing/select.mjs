// Which test files a run takes, and in which order.
import { readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { bundledName } from './bundled-name.mjs';
import { shareProcesses } from './shared-process.mjs';

const CONTAINERS = 'test/containers/';
const UNIT = 'test/unit/';
/** The rest in the order of their cost: most mistakes show in what is quick. */
const ORDER = [UNIT, 'test/integration/', 'test/acceptance/', 'test/faults/'];

function compiledTests(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The longest begin first, so that at the end no single one is waited for. */
const LONG = [
  'faults/dying',
  'faults/killed',
  'faults/rebuild',
  'integration/rebuild',
  'integration/verify',
  'page/',
  'integration/queries/recount',
  'integration/alerts/live.test',
  'integration/queries/rollups',
  'integration/projector',
  'integration/queries/fallback',
  'integration/cli',
  'integration/http/alerts',
  'integration/summary-worker',
  'integration/two-commands',
  'acceptance/notifications',
  'integration/alerts/live-and-backtest',
];

function rank(name) {
  const long = LONG.findIndex((part) => name.startsWith(`test/${part}`));
  if (long >= 0) return long - LONG.length;
  const place = ORDER.findIndex((folder) => name.startsWith(folder));
  return place === -1 ? ORDER.length : place;
}

/**
 * @param {string} root the project's folder
 * @param {{paths: string[]}[]} files what shares a process
 * @returns {object[]} the same, run from the bundle of tests
 */
export function fromBundle(root, files) {
  const dist = join(root, 'dist');
  const bundled = (path) => join(dist, 'bundle', 'tests', bundledName(relative(dist, path)));
  return files.map((file) => ({ ...file, paths: file.paths.map(bundled) }));
}

/**
 * @param {string} root the project's folder
 * @param {{filters: string[], containers: boolean}} wanted parts of paths; test/containers only when asked for
 * @returns {{name: string, paths: string[], needsServers: boolean}[]} what shares a process; `name` as in
 *   test/unit/x.test.ts, or as in test/unit/http/* (7 files)
 */
export function selectTests(root, { filters, containers }) {
  const dist = join(root, 'dist');
  const files = compiledTests(join(dist, 'test'))
    .map((path) => ({ path, name: relative(dist, path).split(sep).join('/').replace(/\.js$/, '.ts') }))
    .filter(({ name }) => name.startsWith(CONTAINERS) === containers)
    .filter(({ name }) => filters.length === 0 || filters.some((filter) => name.includes(filter.replace(/^\.\//, ''))))
    .sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1));
  return shareProcesses(files);
}
