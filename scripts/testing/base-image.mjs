// A stand-in for the image that Dockerfile begins with, where no registry of images can be reached: Debian's smallest tree,
// which debootstrap makes, with the Node.js and the npm of this machine and the user `node`.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { NotReady } from '../bootstrap.mjs';

const DEBOOTSTRAP_TIMEOUT_MS = 900_000;
const COMMAND_TIMEOUT_MS = 120_000;
/** What no build asks for. */
const LEFT_OUT = ['usr/share/doc', 'usr/share/locale', 'usr/share/man', 'var/cache/apt', 'var/lib/apt/lists'];
/** Authorities that this machine trusts, since the build's npm reaches what this machine's reaches. */
const TRUSTED = '/etc/ssl/certs/ca-certificates.crt';

function run(command, args, timeout = COMMAND_TIMEOUT_MS) {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout });
  if (result.status !== 0) {
    const why = result.error ?? `${result.stdout}${result.stderr}`.trim().split('\n').slice(-5).join('\n');
    throw new NotReady(`${command} ${args.join(' ')} failed: ${why}`);
  }
}

/** The one image that Dockerfile begins its stages with, and the release of Debian in its name. */
export function readBaseImage(root) {
  const names = Array.from(
    readFileSync(join(root, 'Dockerfile'), 'utf8').matchAll(/^FROM (\S+)/gm),
    ([, name]) => name,
  );
  const [, release] = /^node:\d+-([a-z]+)-slim$/.exec(names[0] ?? '') ?? [];
  if (new Set(names).size !== 1 || release === undefined) {
    throw new NotReady(
      `Dockerfile begins with ${names.join(' and ')}: a stand-in is made of node:<version>-<release>-slim`,
    );
  }
  return { name: names[0], release };
}

/** Debian's tree as an archive below .data: it takes a minute or more, so it is made once. */
function debianTree(root, release, print) {
  const folder = join(root, '.data', 'containers');
  const archive = join(folder, `${release}-minbase.tar`);
  if (existsSync(archive)) return archive;
  print(`making Debian's smallest tree (${release}) with debootstrap, once`);
  const tree = join(folder, `${release}.${process.pid}`);
  try {
    mkdirSync(tree, { recursive: true });
    run('debootstrap', ['--variant=minbase', release, tree], DEBOOTSTRAP_TIMEOUT_MS);
    for (const path of LEFT_OUT) rmSync(join(tree, path), { recursive: true, force: true });
    run('tar', ['-C', tree, '-cf', `${tree}.tar`, '.']);
    renameSync(`${tree}.tar`, archive);
  } finally {
    for (const path of [tree, `${tree}.tar`]) rmSync(path, { recursive: true, force: true });
  }
  return archive;
}

/** The folder of the npm that runs this, or of the one in PATH. */
function npmFolder() {
  const program = process.env.npm_execpath;
  if (program?.endsWith('npm-cli.js')) return resolve(dirname(program), '..');
  const { stdout } = spawnSync('npm', ['root', '--global'], { encoding: 'utf8' });
  return join(stdout.trim(), 'npm');
}

/**
 * Lays out the tree of the image.
 * @param {string} fs the folder to fill
 * @param {{root: string, node: string, release: string, print: (line: string) => void}} options `node`: the program
 * @returns {string[]} changes for the import
 */
export function layOutBase(fs, { root, node, release, print }) {
  run('tar', ['-C', fs, '-xf', debianTree(root, release, print)]);
  const local = join(fs, 'usr', 'local');
  cpSync(node, join(local, 'bin', 'node'), { dereference: true });
  cpSync(npmFolder(), join(local, 'lib', 'node_modules', 'npm'), { recursive: true, dereference: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin', 'npm'));
  run('chroot', [fs, 'groupadd', '--gid', '1000', 'node']);
  run('chroot', [fs, 'useradd', '--uid', '1000', '--gid', 'node', '--create-home', 'node']);
  const changes = ['CMD ["node"]'];
  if (!existsSync(TRUSTED)) return changes;
  mkdirSync(join(fs, dirname(TRUSTED)), { recursive: true });
  cpSync(TRUSTED, join(fs, TRUSTED), { dereference: true });
  return [...changes, `ENV NODE_EXTRA_CA_CERTS=${TRUSTED}`];
}
