// Stand-ins for the images that src/devservices, docker-compose.yml and Dockerfile name, made of this machine's own programs where no registry of images
// can be reached. They take the same arguments and environment as the real ones.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { layOutBase, readBaseImage } from './base-image.mjs';

/** As the official image: makes the cluster and the database when there is none, then runs it, as the user postgres. */
const POSTGRES_ENTRYPOINT = `#!/bin/sh
set -e
bin=@BIN@
data=/var/lib/postgresql/data/cluster
if [ ! -f $data/PG_VERSION ]; then
  echo "$POSTGRES_PASSWORD" > /tmp/password
  $bin/initdb -D $data -U postgres --pwfile=/tmp/password -A scram-sha-256 --auth-local=trust -E UTF8 --locale=C
  echo 'host all all all scram-sha-256' >> $data/pg_hba.conf
  if [ -n "$POSTGRES_DB" ]; then
    echo "create database \\"$POSTGRES_DB\\"" | $bin/postgres --single -D $data -c jit=off postgres > /tmp/database.log
  fi
fi
exec $bin/postgres -D $data -c 'listen_addresses=*' -c unix_socket_directories=/var/run/postgresql -c jit=off
`;
const POSTGRES_UID = 70;
const REDIS_UID = 999;
const NOBODY_UID = 65_534;

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 120_000, ...options });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${result.stderr || result.error}`);
  return result.stdout;
}

function copyInto(fs, path) {
  mkdirSync(join(fs, dirname(path)), { recursive: true });
  cpSync(path, join(fs, path), { recursive: true, dereference: true });
}

/** One line for each user, as the real images have them. */
function writeUsers(fs, ...users) {
  mkdirSync(join(fs, 'etc'), { recursive: true });
  const lines = users.map(({ name, id, home, shell = '' }) => `${name}:x:${id}:${id}::${home}:${shell}\n`);
  writeFileSync(join(fs, 'etc', 'passwd'), lines.join(''));
}

/** A folder of the image that a user may write to; a volume there begins with that owner. */
function ownedFolder(fs, path, id) {
  mkdirSync(join(fs, path), { recursive: true });
  run('chown', [`${id}:${id}`, join(fs, path)]);
}

/** A program and the libraries that the loader names for it. */
function copyProgram(fs, program, env) {
  copyInto(fs, program);
  const libraries = spawnSync('ldd', [program], { encoding: 'utf8', env: { ...process.env, ...env } }).stdout;
  for (const [, path] of libraries.matchAll(/(?:=> |^\t)(\/[^ ]+) \(0x/gm)) {
    if (!existsSync(join(fs, path))) copyInto(fs, path);
  }
}

function natsImage(fs, programs) {
  const program = realpathSync(programs.natsServer);
  copyProgram(fs, program, programs.env);
  copyProgram(fs, programs.wget, {});
  mkdirSync(join(fs, 'data'));
  return [`ENTRYPOINT ${JSON.stringify([program])}`];
}

function redisImage(fs, programs) {
  // Its name tells the program of several that it is.
  const program = realpathSync(programs.redisServer);
  copyProgram(fs, program, programs.env);
  cpSync(join(fs, program), join(fs, dirname(program), 'redis-server'));
  copyProgram(fs, join(dirname(programs.redisServer), 'redis-cli'), programs.env);
  writeUsers(fs, { name: 'redis', id: REDIS_UID, home: '/data' });
  ownedFolder(fs, 'data', REDIS_UID);
  const command = [join(dirname(program), 'redis-server'), '--protected-mode', 'no', '--dir', '/data'];
  const path = `ENV PATH=${dirname(programs.redisServer)}:/bin:/usr/bin`;
  return [`ENTRYPOINT ${JSON.stringify(command)}`, path];
}

function postgresImage(fs, programs) {
  const bin = dirname(realpathSync(join(programs.postgresBin, 'postgres')));
  const version = basename(dirname(bin));
  for (const name of ['postgres', 'initdb', 'pg_dump', 'pg_restore', 'pg_isready']) {
    if (existsSync(join(bin, name))) copyProgram(fs, join(bin, name), programs.env);
  }
  const folders = [join(dirname(bin), 'lib'), `/usr/share/postgresql/${version}`, '/usr/share/zoneinfo'];
  for (const folder of folders) copyInto(fs, folder);
  for (const program of ['/bin/sh', '/bin/sleep']) copyProgram(fs, realpathSync(program), {});
  mkdirSync(join(fs, 'bin'), { recursive: true });
  cpSync(realpathSync('/bin/sh'), join(fs, 'bin', 'sh'));
  writeUsers(fs, { name: 'postgres', id: POSTGRES_UID, home: '/tmp', shell: '/bin/sh' });
  const entrypoint = join(fs, 'entrypoint.sh');
  writeFileSync(entrypoint, POSTGRES_ENTRYPOINT.replaceAll('@BIN@', bin));
  chmodSync(entrypoint, 0o755);
  mkdirSync(join(fs, 'tmp'));
  chmodSync(join(fs, 'tmp'), 0o1777);
  for (const path of ['var/lib/postgresql/data', 'var/run/postgresql']) ownedFolder(fs, path, POSTGRES_UID);
  chmodSync(join(fs, 'var/run/postgresql'), 0o3777);
  const path = `ENV PATH=${bin}:/bin:/usr/bin`;
  return ['ENTRYPOINT ["/bin/sh", "/entrypoint.sh"]', path, `USER ${POSTGRES_UID}`, 'STOPSIGNAL SIGINT'];
}

/** As the official image: its user, its folder, and its data below that. */
function prometheusImage(fs, programs) {
  copyProgram(fs, programs.prometheus, {});
  copyProgram(fs, programs.wget, {});
  writeUsers(fs, { name: 'nobody', id: NOBODY_UID, home: '/' });
  ownedFolder(fs, 'prometheus', NOBODY_UID);
  return [`ENTRYPOINT ${JSON.stringify([programs.prometheus])}`, 'WORKDIR /prometheus', 'USER nobody'];
}

const MAKERS = { nats: natsImage, redis: redisImage, postgres: postgresImage, prometheus: prometheusImage };

/** With the registry and the folder that an engine reads into a short name. */
function fullName(name) {
  return name.includes('/') ? `docker.io/${name}` : `docker.io/library/${name}`;
}

/**
 * Makes the image of each server, and the one that Dockerfile begins with, and imports them under the names that they
 * stand in for.
 * @param {{podman: string[], env: NodeJS.ProcessEnv, dir: string, images: Record<string, {name: string}>, programs: object,
 *   root: string, node: string, print: (line: string) => void}} options
 */
export function importImages({ podman, env, dir, images, programs, root, node, print }) {
  const [command, ...flags] = podman;
  const importImage = (kind, name, layOut) => {
    const fs = join(dir, `image-${kind}`);
    mkdirSync(fs, { recursive: true });
    const changes = layOut(fs);
    const archive = `${fs}.tar`;
    run('tar', ['-C', fs, '-cf', archive, '.']);
    const settings = changes.flatMap((line) => ['--change', line]);
    run(command, [...flags, 'import', '--quiet', ...settings, archive, fullName(name)], { env });
    for (const path of [fs, archive]) rmSync(path, { recursive: true });
  };
  // Where programs were unpacked into a folder of ours, it says where their libraries are: at the same places inside.
  const variables = Object.entries(programs.env).map(([name, value]) => `ENV ${name}=${value}`);
  for (const [kind, make] of Object.entries(MAKERS)) {
    importImage(kind, images[kind].name, (fs) => [...make(fs, programs), ...variables]);
  }
  const { name, release } = readBaseImage(root);
  importImage('base', name, (fs) => layOutBase(fs, { root, node, release, print }));
}
