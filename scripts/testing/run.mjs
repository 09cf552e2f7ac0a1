// One run: all selected files, at most four at a time, and nothing left behind.
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearAway } from './leftovers.mjs';
import { runFile } from './run-file.mjs';

/** Two cores keep up with more than two, since most files wait for servers, or for what they have killed. */
const MAX_AT_ONCE = 4;

/** A folder that Postgres' user can walk through; nobody but its owner can list it. */
function makeFolder(path) {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o711);
  return path;
}

export class Run {
  #dir = makeFolder(mkdtempSync(join(tmpdir(), 'metrics-test-')));
  #postgresPids = new Set();
  #results = [];

  /**
   * @param {{root: string, node: string, env: NodeJS.ProcessEnv, devservices: object, signal: AbortSignal,
   *   print: (line: string) => void, maxAtOnce?: number, timeoutMs?: number, startPostgres?: (dir: string, onLaunch: (pid: number) => void) => Promise<object>}} options
   */
  constructor(options) {
    this.options = options;
    if (options.startPostgres) {
      this.postgres = options.startPostgres(makeFolder(join(this.#dir, 'shared')), (pid) =>
        this.#postgresPids.add(pid),
      );
      this.postgres.catch(() => undefined); // Told where it is awaited.
    }
  }

  /** Runs the files and answers a result for each; after an abort only for those that had begun. */
  async run(files) {
    const queue = [...files];
    const worker = async () => {
      for (let file = queue.shift(); file && !this.options.signal.aborted; file = queue.shift())
        await this.#runOne(file);
    };
    await Promise.all(Array.from({ length: this.options.maxAtOnce ?? MAX_AT_ONCE }, worker));
    return this.#results;
  }

  async #runOne(file) {
    const { root, node, env, signal, timeoutMs, devservices, print } = this.options;
    const dir = makeFolder(join(this.#dir, String(this.#results.length + this.#begun)));
    this.#begun++;
    const postgres = file.needsServers ? await this.postgres : undefined;
    const fileEnv = {
      ...env,
      METRICS_TEST_DIR: dir,
      // Whatever a test or a program that it starts puts into the temporary folder goes with the file's folder.
      TMPDIR: makeFolder(join(dir, 'tmp')),
      ...(postgres ? { METRICS_TEST_POSTGRES_URL: postgres.url } : {}),
    };
    const result = await runFile(node, file.paths, { cwd: root, env: fileEnv, signal, timeoutMs });
    const leftCount = await clearAway(dir, devservices);
    this.#results.push({ ...result, name: file.name });
    this.#tell(file.name, result, leftCount, print);
  }

  #begun = 0;

  #tell(name, { passed, failed, skipped, trouble, output, seconds }, leftCount, print) {
    const counts = `${passed} passed${failed ? `, ${failed} failed` : ''}${skipped ? `, ${skipped} skipped` : ''}`;
    print(`${failed ? 'FAIL' : 'ok  '} ${name}  ${counts}  (${seconds.toFixed(1)} s)`);
    if (leftCount > 0) print(`     ${name} left ${leftCount} processes running; they were ended`);
    if (failed === 0) {
      // What was done to the service, and how often: a fault that did not happen is no proof.
      for (const [line] of output.matchAll(/\bfault \d+: .*/g)) print(`     ${line}`);
      return;
    }
    print(output.trimEnd());
    if (trouble !== undefined) print(`     ${name} ${trouble}`);
  }

  /** Ends the shared Postgres and removes the run's folder. */
  async close() {
    try {
      const postgres = await this.postgres?.catch(() => undefined);
      await postgres?.stop();
    } finally {
      for (const pid of this.#postgresPids) {
        if (this.options.devservices.processIdentity(pid) !== undefined)
          this.options.devservices.sendSignal(pid, 'SIGKILL');
      }
      rmSync(this.#dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    }
  }
}
