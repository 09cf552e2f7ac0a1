// Makes a fresh clone ready to run: installs what package-lock.json names, compiles, and finds a Node.js that is
// new enough. Plain JavaScript without dependencies, because it runs before anything is installed, on Node.js 20 too.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

const NEEDED_NODE = [22, 22];
const LOCK_TIMEOUT_MS = 600_000;
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const CODE_FOLDERS = ['src', 'migrations', 'test', 'bench', 'web'];
const OTHER_INPUTS = ['config', 'tsconfig.json', 'tsconfig.client.json', 'package.json'];
const PAGE_INPUTS = ['web', 'scripts/build-page.mjs', 'package-lock.json'];
const installStampFile = join(root, 'node_modules', '.metrics-stamp');
const buildStampFile = join(root, 'dist', '.metrics-build');
const bundleFolder = join(root, 'dist', 'bundle');
const bundleStampFile = join(bundleFolder, '.metrics-build');
const BUNDLE_SCRIPTS = ['scripts/bundling.mjs', 'scripts/build-bundle.mjs'];
const testsStampFile = join(bundleFolder, '.metrics-tests');
const TESTS_SCRIPTS = ['scripts/bundling.mjs', 'scripts/testing/build-tests.mjs'];
const pageFolder = join(root, 'dist', 'page');
const pageStampFile = join(pageFolder, '.metrics-build');

/** A complaint for the person at the terminal; needs no stack trace. */
export class NotReady extends Error {}

/**
 * Installs and builds what is missing or out of date.
 * @param {{log?: (line: string) => void}} options where progress is told, standard error unless told otherwise
 * @returns {Promise<string>} the path of a Node.js from 22.22 on
 */
export async function ensureReady({ log = (line) => process.stderr.write(`${line}\n`) } = {}) {
  if (isInstalled() && isBuilt() && isBundled() && isPageBuilt()) return findNode();
  mkdirSync(join(root, '.data'), { recursive: true });
  // Asked again under the lock: another call may have done it all meanwhile.
  await withLock(join(root, '.data', 'bootstrap.lock'), LOCK_TIMEOUT_MS, async () => {
    if (!isInstalled()) await install(log);
    if (!isBuilt()) await build(log);
    if (!isBundled()) await bundle(log);
    if (!isPageBuilt()) await buildPage(log);
  });
  return findNode();
}

/** Runs `main` and ends the process with a plain message where it throws NotReady. */
export async function runScript(main) {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`${error instanceof NotReady ? error.message : (error?.stack ?? error)}\n`);
    process.exitCode = 1;
  }
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined; // Missing or cut off: both mean that the work has to be done again.
  }
}

/** Written beside and renamed, so that nobody reads half of it. */
function writeJson(path, value) {
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, JSON.stringify(value));
  renameSync(unfinished, path);
}

function hashOf(...names) {
  const hash = createHash('sha256');
  for (const name of names) hash.update(readFileSync(join(root, name)));
  return hash.digest('hex');
}

function lockHash() {
  return hashOf('package-lock.json');
}

function isInstalled() {
  const lock = lockHash();
  if (readJson(installStampFile)?.lock === lock) return true;
  if (!holdsWhatLockNames()) return false;
  writeJson(installStampFile, { lock }); // Installed by hand with npm: as good.
  return true;
}

/** Compares npm's own record of what it installed with package-lock.json. */
function holdsWhatLockNames() {
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  const wanted = readJson(join(root, 'package-lock.json'))?.packages;
  if (!installed || !wanted) return false;
  return Object.entries(wanted).every(
    ([path, entry]) => path === '' || entry.optional || installed[path]?.version === entry.version,
  );
}

async function install(log) {
  log('installing dependencies (npm ci) …');
  const startedMs = Date.now();
  rmSync(installStampFile, { force: true });
  // No dependency needs its install script here; --loglevel=error hides complaints about an older Node.js that runs npm.
  // Also where NODE_ENV is production: the compiler is needed to build.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  const result = await run('npm', args, { env: { ...process.env, PATH: pathWithoutLocalBin() } });
  if (result.code !== 0) throw new NotReady(`${result.output}\nnpm ci failed (${result.code})`);
  writeJson(installStampFile, { lock: lockHash() });
  log(`installed in ${seconds(startedMs)} s`);
}

/** `npm ci` deletes node_modules first, so it must not be run by the Node.js in there, which npm scripts find first. */
function pathWithoutLocalBin() {
  const local = join(root, 'node_modules');
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.filter((folder) => relative(local, resolve(folder)).startsWith('..')).join(delimiter);
}

/** Newest change below a file or folder, in ms since 1970, and the names of .ts and .tsx files. */
function survey(path, names) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) {
    if (/\.tsx?$/.test(path)) names.push(relative(root, path));
    return stat.mtimeMs;
  }
  return Math.max(0, ...readdirSync(path).map((name) => survey(join(path, name), names)));
}

function surveySources() {
  const names = [];
  const newestMs = Math.max(...[...CODE_FOLDERS, ...OTHER_INPUTS].map((name) => survey(join(root, name), names)));
  return { newestMs, names: names.sort() };
}

function isBuilt() {
  const stamp = readJson(buildStampFile);
  if (!stamp) return false;
  const { newestMs, names } = surveySources();
  return newestMs < stamp.startedMs && names.join('\n') === stamp.names?.join('\n');
}

async function build(log) {
  const startedMs = Date.now();
  const { names } = surveySources();
  rmSync(buildStampFile, { force: true });
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  // A build record without its output (dist cleaned by hand) would let the compiler skip files.
  if (!existsSync(join(root, 'dist', 'src'))) rmSync(join(root, 'dist'), { recursive: true, force: true });
  const result = await run(process.execPath, [compiler, '--project', join(root, 'tsconfig.json')]);
  if (result.code !== 0) {
    const keepGoing = process.env.METRICS_BUILD_KEEP_GOING === '1' && existsSync(join(root, 'dist', 'src'));
    if (!keepGoing) throw new NotReady(`${result.output}\nthe TypeScript compiler found errors`);
    log(`${result.output}\ngoing on in spite of the compiler's errors (METRICS_BUILD_KEEP_GOING=1)`);
  }
  if (result.code === 0) await describeClient(compiler);
  removeOrphans(new Set(names));
  if (result.code === 0) writeJson(buildStampFile, { startedMs, names });
  log(`built in ${seconds(startedMs)} s`);
}

/** Writes the types of src/client beside what was compiled, for programs that import `metrics-service/client`. */
async function describeClient(compiler) {
  const result = await run(process.execPath, [compiler, '--project', join(root, 'tsconfig.client.json')]);
  if (result.code !== 0) throw new NotReady(`${result.output}\nthe client's types could not be written`);
}

/** What a bundle is made of: one build, the dependencies, and the scripts that make it. */
function bundleInputs(scripts) {
  const builtMs = readJson(buildStampFile)?.startedMs;
  return builtMs === undefined ? undefined : `${builtMs} ${hashOf('package-lock.json', ...scripts)}`;
}

function isBundled(stampFile = bundleStampFile, scripts = BUNDLE_SCRIPTS) {
  const inputs = bundleInputs(scripts);
  return inputs !== undefined && readJson(stampFile)?.inputs === inputs;
}

async function bundle(log, stampFile = bundleStampFile, scripts = BUNDLE_SCRIPTS) {
  const startedMs = Date.now();
  const inputs = bundleInputs(scripts);
  const result = await run(findNode(), [join(root, scripts.at(-1))]);
  if (result.code !== 0) throw new NotReady(`${result.output}\nthe programs could not be bundled`);
  writeJson(stampFile, { inputs });
  log(`bundled in ${seconds(startedMs)} s`);
}

/** Whether dist/bundle/tests is made of the build that is there. */
export function areTestsBundled() {
  return isBundled(testsStampFile, TESTS_SCRIPTS);
}

/** Bundles the tests that were built, unless that was done. */
export async function bundleTests(log) {
  await withLock(join(root, '.data', 'bootstrap.lock'), LOCK_TIMEOUT_MS, async () => {
    if (!areTestsBundled()) await bundle(log, testsStampFile, TESTS_SCRIPTS);
  });
}

/** The page's files and when the newest of them was changed; a file that is gone is a change, too. */
function surveyPage() {
  const newestMs = Math.max(...PAGE_INPUTS.map((name) => survey(join(root, name), [])));
  return { newestMs, names: readdirSync(join(root, 'web'), { recursive: true }).sort() };
}

function isPageBuilt() {
  const stamp = readJson(pageStampFile);
  if (!stamp) return false;
  const { newestMs, names } = surveyPage();
  return newestMs < stamp.startedMs && names.join('\n') === stamp.names?.join('\n');
}

async function buildPage(log) {
  const startedMs = Date.now();
  const { names } = surveyPage();
  // On the Node.js that runs the service: Vite does not take each that can run this.
  const result = await run(findNode(), [join(root, 'scripts', 'build-page.mjs')]);
  if (result.code !== 0) throw new NotReady(`${result.output}\nthe page could not be built`);
  writeJson(pageStampFile, { startedMs, names });
  log(`built the page in ${seconds(startedMs)} s`);
}

/** Deletes what was compiled from files that are gone: a deleted test would go on being run. */
function removeOrphans(sources, folder = join(root, 'dist')) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (path === pageFolder || path === bundleFolder) continue;
    if (entry.isDirectory()) removeOrphans(sources, path);
    else if (/\.(js(\.map)?|d\.ts)$/.test(entry.name)) {
      const source = relative(join(root, 'dist'), path).replace(/\.(js(\.map)?|d\.ts)$/, '.ts');
      if (!sources.has(source)) rmSync(path, { force: true });
    }
  }
}

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > NEEDED_NODE[0] || (major === NEEDED_NODE[0] && minor >= NEEDED_NODE[1]);
}

/** The Node.js that package-lock.json names, else the one that runs this. */
function findNode() {
  const local = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
  if (existsSync(local)) return realpathSync(local);
  if (isNewEnough(process.versions.node)) return process.execPath;
  throw new NotReady(
    `Node.js ${NEEDED_NODE.join('.')} or later is needed; this is ${process.versions.node}, ` +
      `and no package with it is installed for ${process.platform}-${process.arch}`,
  );
}

function seconds(sinceMs) {
  return ((Date.now() - sinceMs) / 1000).toFixed(1);
}

/**
 * Runs a program to its end, and ends it together with this process when a signal comes.
 * @returns {Promise<{code: number | string, output: string}>}
 */
function run(command, args, options = {}) {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    const onSignal = (signal) => {
      child.kill(signal);
      process.exit(128 + constants.signals[signal]);
    };
    for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
    child.once('close', () => {
      for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
    });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      output += data;
    });
    child.once('error', (error) => done({ code: 'not started', output: `${command}: ${error.message}` }));
    child.once('close', (code, signal) => done({ code: code ?? signal, output: output.trim() }));
  });
}
