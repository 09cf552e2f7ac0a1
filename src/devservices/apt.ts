import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findPostgresBin, findProgram, versionedBins } from './programs.js';
import type { Log, ServerKind } from './types.js';

const APT_TIMEOUT_MS = 300_000;

/** The package to begin with, per server; what it needs in libraries is looked up. */
const PACKAGES: Readonly<Record<ServerKind, string[]>> = {
  nats: ['nats-server'],
  redis: ['redis-server', 'redis-tools'],
  postgres: ['postgresql'],
};
const LIBRARY = /^(lib|lua-|zlib)/;
// The C library must be the system's own; LLVM is large and only serves JIT, which is off.
const LEFT_OUT = /^(libc6|libc-bin|libcrypt1|libgcc-s1|libllvm.*|libperl.*|libpython.*)$/;

/** A server unpacked from packages. */
export interface Unpacked {
  /** As `findProgram` gives it. */
  program: string;
  libraryPath: string[];
}

/** Why the packages cannot be had, in words for the person at the terminal. */
export class AptUnavailable extends Error {}

function run(command: string, args: string[], cwd: string, signal?: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
      // Not spawn's own time limit: its timer lives on where the program cannot be started.
      signal: AbortSignal.any([AbortSignal.timeout(APT_TIMEOUT_MS), ...(signal ? [signal] : [])]),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => {
      errors += data.toString();
    });
    child.once('error', (error) =>
      reject(signal?.aborted ? error : new AptUnavailable(`${command} cannot be run: ${error.message}`)),
    );
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output);
      else
        reject(
          new AptUnavailable(
            `${command} ${args.at(-1) ?? ''} ended with ${code ?? signal}: ${errors.trim().slice(-600)}`,
          ),
        );
    });
  });
}

/** Name and version of the system, for example "debian-12-x64": packages of one are of no use to another. */
function systemName(): string {
  let text: string;
  try {
    text = readFileSync('/etc/os-release', 'utf8');
  } catch {
    throw new AptUnavailable('this is no Debian or Ubuntu (no /etc/os-release)');
  }
  const field = (name: string): string => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
  if (!/\b(debian|ubuntu)\b/.test(`${field('ID')} ${field('ID_LIKE')}`)) {
    throw new AptUnavailable(`this is no Debian or Ubuntu but ${field('ID') || 'an unknown system'}`);
  }
  return `${field('ID')}-${field('VERSION_ID') || 'testing'}-${process.arch}`;
}

/** apt with its state in `state`, so that neither root nor a change to the system is needed. */
class PrivateApt {
  readonly #options: string[];

  constructor(
    private readonly state: string,
    private readonly signal?: AbortSignal,
  ) {
    mkdirSync(join(state, 'lists', 'partial'), { recursive: true });
    mkdirSync(join(state, 'cache', 'archives', 'partial'), { recursive: true });
    this.#options = [
      `Dir::State::Lists=${join(state, 'lists')}`,
      `Dir::Cache=${join(state, 'cache')}`,
      // Images of Debian turn this off; without it each call reads the list of all packages again, for a second.
      'Dir::Cache::pkgcache=pkgcache.bin',
      'Dir::State::status=/dev/null',
      'Debug::NoLocking=1',
      'Acquire::Languages=none',
      'Acquire::Retries=2',
      'Acquire::http::Timeout=20',
      'Acquire::https::Timeout=20',
      // apt's own unprivileged user could not write into our folder.
      ...(process.getuid?.() === 0 ? ['APT::Sandbox::User=root'] : []),
    ].flatMap((option) => ['-o', option]);
  }

  async update(): Promise<void> {
    await run('apt-get', [...this.#options, '-qq', 'update'], this.state, this.signal);
  }

  /** The packages' libraries and theirs, as far as this machine has not got them. */
  async withLibraries(packages: string[]): Promise<string[]> {
    const flags = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((no) => `--no-${no}`);
    const wanted = new Set<string>();
    let next = packages;
    // Each round goes one step further from the program; libraries of libraries end well before this.
    for (let depth = 0; depth < 10 && next.length > 0; depth++) {
      for (const name of next) wanted.add(name);
      const says = await run('apt-cache', [...this.#options, 'depends', ...flags, ...next], this.state, this.signal);
      const named = [...says.matchAll(/^\s*\|?(?:Pre)?Depends: ([^\s<>]+)$/gm)].map((match) => match[1] ?? '');
      const useful = named.filter((name) => LIBRARY.test(name) || /^postgresql-\d+$/.test(name));
      const fresh = [...new Set(useful)].filter((name) => !LEFT_OUT.test(name) && !wanted.has(name));
      const present = await installed(fresh, this.state);
      next = fresh.filter((name) => !LIBRARY.test(name) || !present.has(name));
    }
    return [...wanted];
  }

  async unpack(packages: string[], into: string): Promise<void> {
    const downloads = mkdtempSync(join(this.state, 'download-'));
    try {
      await run('apt-get', [...this.#options, '-qq', 'download', ...packages], downloads, this.signal);
      const archives = readdirSync(downloads).filter((name) => name.endsWith('.deb'));
      for (const archive of archives) await run('dpkg', ['-x', join(downloads, archive), into], downloads);
    } finally {
      rmSync(downloads, { recursive: true, force: true });
    }
  }
}

/** Which of these packages the system has. */
async function installed(packages: string[], cwd: string): Promise<Set<string>> {
  if (packages.length === 0) return new Set();
  // dpkg-query fails where one of the names is unknown, and still lists the others.
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own way of naming fields.
  const script = 'dpkg-query -W -f \'${Package} ${db:Status-Abbrev}\\n\' "$@" 2>/dev/null || true';
  const says = await run('sh', ['-c', script, 'sh', ...packages], cwd);
  const lines = says.split('\n').map((line) => line.trim().split(/\s+/));
  return new Set(lines.filter(([, status]) => status === 'ii').map(([name]) => name ?? ''));
}

/** Whether an earlier call unpacked this server below `folder`. */
export function isUnpacked(kind: ServerKind, folder: string): boolean {
  try {
    return findUnpacked(kind, join(folder, systemName(), kind)) !== undefined;
  } catch (error) {
    if (error instanceof AptUnavailable) return false;
    throw error;
  }
}

/** What an earlier call unpacked, or undefined. */
function findUnpacked(kind: ServerKind, folder: string): Unpacked | undefined {
  const usr = join(folder, 'usr');
  const program =
    kind === 'postgres'
      ? findPostgresBin(versionedBins(join(usr, 'lib', 'postgresql')))
      : findProgram(kind, [join(usr, 'bin'), join(usr, 'sbin')].join(':'), true);
  if (program === undefined) return undefined;
  const roots = [join(usr, 'lib'), join(folder, 'lib')].filter((root) => existsSync(root));
  const triplets = roots.flatMap((root) =>
    readdirSync(root)
      .filter((name) => name.includes('-linux-'))
      .map((name) => join(root, name)),
  );
  return { program, libraryPath: [...triplets, ...roots] };
}

/**
 * Servers from the distribution's packages, unpacked below `folder` (once; later calls find them there).
 * Throws AptUnavailable where this is no Debian-like system or the packages cannot be had.
 */
export async function unpackServers(
  kinds: ServerKind[],
  folder: string,
  log: Log,
  signal?: AbortSignal,
): Promise<Map<ServerKind, Unpacked>> {
  const home = join(folder, systemName());
  const found = new Map<ServerKind, Unpacked>();
  const take = (kind: ServerKind): boolean => {
    const unpacked = findUnpacked(kind, join(home, kind));
    if (unpacked) found.set(kind, unpacked);
    return unpacked !== undefined;
  };
  const missing = kinds.filter((kind) => !take(kind));
  if (missing.length === 0) return found;
  log(`downloading packages with ${missing.join(', ')} into ${home} (the system is not changed)`);
  mkdirSync(home, { recursive: true });
  const state = mkdtempSync(join(home, 'apt-'));
  try {
    const apt = new PrivateApt(state, signal);
    await apt.update();
    for (const kind of missing) {
      await unpackOne(apt, kind, join(home, kind));
      if (!take(kind)) throw new AptUnavailable(`the packages ${PACKAGES[kind].join(' ')} hold no program of ${kind}`);
    }
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
  return found;
}

/** Unpacks beside the place and renames, so that one cut short or done twice at once leaves no half of it. */
async function unpackOne(apt: PrivateApt, kind: ServerKind, place: string): Promise<void> {
  const unfinished = mkdtempSync(join(dirname(place), `${kind}.unfinished-`));
  try {
    await apt.unpack(await apt.withLibraries(PACKAGES[kind]), unfinished);
    if (!existsSync(place)) renameSync(unfinished, place);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}
