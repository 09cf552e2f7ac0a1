import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = realpathSync(join(import.meta.dirname, '../../..'));
/** What the programs import beside the client. */
const BESIDE = ['nats', 'fastify', 'express', '@types'];
const END_TIMEOUT_MS = 60_000;

export interface Ended {
  readonly code: unknown;
  readonly signal: unknown;
  readonly output: string;
}

/** A project of somebody else, who has installed the package that `npm run pack:client` makes. */
export class Consumer {
  readonly folder = mkdtempSync(join(tmpdir(), 'metrics-test-consumer-'));

  /** @param pack words behind `node` that make the package; the folder that it is to be put into is added */
  constructor(pack: readonly string[]) {
    const packed = this.#run(process.execPath, [...pack, this.folder], ROOT).trim();
    const modules = join(this.folder, 'node_modules');
    mkdirSync(join(modules, 'metrics-service'), { recursive: true });
    this.#run('tar', ['xzf', packed, '-C', join(modules, 'metrics-service'), '--strip-components=1']);
    for (const name of BESIDE) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
    writeFileSync(join(this.folder, 'package.json'), '{"type":"module"}');
  }

  write(name: string, code: string): void {
    writeFileSync(join(this.folder, name), code);
  }

  /** Checks all .ts files that were written, with the strictest options. @throws where the compiler finds something */
  typecheck(): void {
    const compilerOptions = {
      target: 'es2024',
      module: 'nodenext',
      types: ['node'],
      strict: true,
      noEmit: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      verbatimModuleSyntax: true,
      // The frameworks' own declarations are not what is tried.
      skipLibCheck: true,
    };
    this.write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    this.#run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', this.folder]);
  }

  /** Starts a program of the project's. */
  start(command: string, args: readonly string[]): ChildProcess {
    return spawn(command, args, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  #run(command: string, args: readonly string[], cwd = this.folder): string {
    const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}${error ?? ''}`);
    return stdout;
  }
}

/** Waits until a program has ended, in bounded time. */
export async function untilEnded(child: ChildProcess): Promise<Ended> {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk;
    });
  }
  const killer = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS);
  const [code, signal] = await once(child, 'close');
  clearTimeout(killer);
  return { code, signal, output };
}
