// Which test files a run takes, and in which order.
import { readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

/** Heavy ones, which run alone: what they measure or break must not be another test's doing. */
const ALONE = ['test/acceptance/', 'test/faults/'];
const CONTAINERS = 'test/containers/';
/** Quick ones first: most mistakes show there. */
const ORDER = ['test/unit/', 'test/integration/', 'test/acceptance/', 'test/faults/'];

function compiledTests(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The longest of the integration tests begin first, so that at the end no single one is waited for. */
const LONG = [
  'two-commands',
  'cli',
  'projector-faults',
  'projector.test',
  'queries/fallback',
  'summary-worker',
  'log-feed',
];

function rank(name) {
  const place = ORDER.findIndex((folder) => name.startsWith(folder));
  const isLong = LONG.some((part) => name.startsWith(`test/integration/${part}`));
  return (place === -1 ? ORDER.length : place) - (isLong ? 0.5 : 0);
}

/**
 * @param {string} root the project's folder
 * @param {{filters: string[], containers: boolean}} wanted parts of paths; test/containers only when asked for
 * @returns {{name: string, path: string, alone: boolean, needsServers: boolean}[]} `name` as in test/unit/x.test.ts
 */
export function selectTests(root, { filters, containers }) {
  const dist = join(root, 'dist');
  return compiledTests(join(dist, 'test'))
    .map((path) => ({ path, name: relative(dist, path).split(sep).join('/').replace(/\.js$/, '.ts') }))
    .filter(({ name }) => name.startsWith(CONTAINERS) === containers)
    .filter(({ name }) => filters.length === 0 || filters.some((filter) => name.includes(filter.replace(/^\.\//, ''))))
    .sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1))
    .map(({ path, name }) => ({
      path,
      name,
      alone: ALONE.some((folder) => name.startsWith(folder)),
      needsServers: !name.startsWith('test/unit/'),
    }));
}
