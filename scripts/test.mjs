// npm test: installs, builds, finds the servers' programs and runs every test file in a process of its own, the unit tests
// of a folder in one.
//   node scripts/test.mjs [part of a path ...]   only the files whose paths hold one of these
//   node scripts/test.mjs --coverage             also measures what of src the tests execute (coverage/index.html)
//   node scripts/test.mjs containers             test/containers alone, which needs a Docker engine or root and apt
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { areTestsBundled, bundleTests, ensureReady, NotReady, root, runScript } from './bootstrap.mjs';
import { prepareContainers } from './testing/containers.mjs';
import { beginCoverage, reportCoverage } from './testing/coverage.mjs';
import { Run } from './testing/run.mjs';
import { fromBundle, selectTests } from './testing/select.mjs';
import { findTestPrograms, startSharedPostgres } from './testing/servers.mjs';

/** A file of them builds an image and runs five containers, more than once. */
const CONTAINERS_TIMEOUT_MS = 1_800_000;
/** Bundling the tests costs the processor time that loading takes less in so many processes. */
const MIN_PROCESSES_TO_BUNDLE = 6;

function print(line) {
  process.stdout.write(`${line}\n`);
}

/** Aborts at the first Ctrl-C or the like; later ones change nothing, since ending is bounded. */
function stopOnSignal() {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => controller.abort());
  return controller.signal;
}

/** The environment of the tests: ours without what would make their outcome depend on this terminal or its servers. */
function testEnvironment(programs) {
  const env = {
    // Keeps what V8 compiled, since each file loads the same thousand modules.
    NODE_COMPILE_CACHE: join(root, '.data', 'compile-cache'),
    // Large pages for what the C library allocates, where it knows them: taking page after page from the kernel is a
    // third of the time that a process needs to begin.
    GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
    ...process.env,
    NO_COLOR: '1',
    METRICS_TEST_PROGRAMS: JSON.stringify(programs),
  };
  const named = ['DATABASE_URL', 'PORT', 'FORCE_COLOR'];
  for (const name of [...named, ...Object.keys(env).filter((name) => /^(JWT|NATS|REDIS)_/.test(name))])
    delete env[name];
  return env;
}

function sum(results, field) {
  return results.reduce((total, result) => total + result[field], 0);
}

/** What the processes of a run shall load: the bundle of the tests where it is there, or worth making. */
async function findCode(files, isWanted) {
  if (!isWanted) return files;
  if (!areTestsBundled()) {
    if (files.length < MIN_PROCESSES_TO_BUNDLE) return files;
    await bundleTests((line) => print(`${line} (the tests)`));
  }
  return fromBundle(root, files);
}

/** Prints the last line, which programs read too, and answers whether all is well. */
function conclude(results) {
  const failedFiles = results.filter((result) => result.failed > 0).map((result) => result.name);
  if (failedFiles.length > 0) print(`\nfailed: ${failedFiles.join(', ')}`);
  const skipped = sum(results, 'skipped');
  const tail = skipped > 0 ? `, ${skipped} skipped` : '';
  print(`\n${sum(results, 'passed')} passed, ${sum(results, 'failed')} failed${tail}`);
  return failedFiles.length === 0 && results.length > 0;
}

async function main() {
  const { values, positionals } = parseArgs({
    options: { coverage: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const containers = positionals[0] === 'containers';
  const filters = containers ? positionals.slice(1) : positionals;
  const node = await ensureReady();
  const load = (...path) => import(pathToFileURL(join(root, 'dist', 'src', ...path)).href);
  const devservices = await load('devservices', 'index.js');
  const selected = selectTests(root, { filters, containers });
  if (selected.length === 0) throw new NotReady(`no test file has ${filters.join(' or ')} in its path`);

  // Coverage is told by file.
  const files = await findCode(selected, !containers && !values.coverage);
  const signal = stopOnSignal();
  const programs = await findTestPrograms(root, devservices, print);
  const engine = containers ? await prepareContainers({ root, node, programs, print, signal }) : undefined;
  const needsPostgres = !containers && files.some((file) => file.needsServers);
  const { migrate } = await load('store', 'migrate.js');
  const startPostgres = (dir, onLaunch) => startSharedPostgres(dir, programs, devservices, migrate, onLaunch);
  const env = { ...testEnvironment(programs), ...engine?.env, ...(values.coverage ? beginCoverage(root) : {}) };
  // A test of containers is many processes, and one's build is the next one's.
  const options = containers
    ? { maxAtOnce: 1, timeoutMs: CONTAINERS_TIMEOUT_MS }
    : needsPostgres
      ? { startPostgres }
      : {};
  const run = new Run({ root, node, env, devservices, signal, print, ...options });
  let isFine;
  try {
    const results = await run.run(files);
    const isReported = !values.coverage || signal.aborted || reportCoverage(root, node);
    isFine = conclude(results) && isReported;
  } finally {
    await run.close();
    await engine?.close();
  }
  process.exitCode = signal.aborted ? 130 : isFine ? 0 : 1;
}

await runScript(main);
