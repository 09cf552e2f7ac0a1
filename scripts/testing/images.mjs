// Stand-ins for the images that src/devservices names, made of this machine's own programs where no registry of images
// can be reached. They take the same arguments and environment as the real ones.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** As the official image: makes the cluster when there is none, then runs it, as the user postgres. */
const POSTGRES_ENTRYPOINT = `#!/bin/sh
set -e
bin=@BIN@
data=/var/lib/postgresql/data/cluster
if [ ! -f $data/PG_VERSION ]; then
  echo "$POSTGRES_PASSWORD" > /tmp/password
  $bin/initdb -D $data -U postgres --pwfile=/tmp/password -A scram-sha-256 -E UTF8 --locale=C
  echo 'host all all all scram-sha-256' >> $data/pg_hba.conf
fi
exec $bin/postgres -D $data -c 'listen_addresses=*' -c unix_socket_directories= -c jit=off
`;
const POSTGRES_UID = 70;

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 120_000, ...options });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${result.stderr || result.error}`);
  return result.stdout;
}

function copyInto(fs, path) {
  mkdirSync(join(fs, dirname(path)), { recursive: true });
  cpSync(path, join(fs, path), { recursive: true, dereference: true });
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
  mkdirSync(join(fs, 'data'));
  return [`ENTRYPOINT ${JSON.stringify([program])}`];
}

function redisImage(fs, programs) {
  // Its name tells the program of several that it is.
  const program = realpathSync(programs.redisServer);
  copyProgram(fs, program, programs.env);
  cpSync(join(fs, program), join(fs, dirname(program), 'redis-server'));
  mkdirSync(join(fs, 'data'), { recursive: true });
  const command = [join(dirname(program), 'redis-server'), '--protected-mode', 'no', '--dir', '/data'];
  return [`ENTRYPOINT ${JSON.stringify(command)}`];
}

function postgresImage(fs, programs) {
  const bin = dirname(realpathSync(join(programs.postgresBin, 'postgres')));
  const version = basename(dirname(bin));
  for (const name of ['postgres', 'initdb']) copyProgram(fs, join(bin, name), programs.env);
  for (const folder of [join(dirname(bin), 'lib'), `/usr/share/postgresql/${version}`]) copyInto(fs, folder);
  copyProgram(fs, realpathSync('/bin/sh'), {});
  mkdirSync(join(fs, 'bin'), { recursive: true });
  cpSync(realpathSync('/bin/sh'), join(fs, 'bin', 'sh'));
  mkdirSync(join(fs, 'etc'), { recursive: true });
  writeFileSync(join(fs, 'etc', 'passwd'), `postgres:x:${POSTGRES_UID}:${POSTGRES_UID}::/tmp:/bin/sh\n`);
  const entrypoint = join(fs, 'entrypoint.sh');
  writeFileSync(entrypoint, POSTGRES_ENTRYPOINT.replaceAll('@BIN@', bin));
  chmodSync(entrypoint, 0o755);
  mkdirSync(join(fs, 'tmp'));
  chmodSync(join(fs, 'tmp'), 0o1777);
  const data = join(fs, 'var', 'lib', 'postgresql', 'data');
  mkdirSync(data, { recursive: true });
  run('chown', ['-R', `${POSTGRES_UID}:${POSTGRES_UID}`, data]);
  return ['ENTRYPOINT ["/bin/sh", "/entrypoint.sh"]', `USER ${POSTGRES_UID}`, 'STOPSIGNAL SIGINT'];
}

const MAKERS = { nats: natsImage, redis: redisImage, postgres: postgresImage };

/**
 * Makes the image of each server and imports it under the name that src/devservices uses.
 * @param {{podman: string[], env: NodeJS.ProcessEnv, dir: string, images: Record<string, {name: string}>, programs: object}} options
 */
export function importImages({ podman, env, dir, images, programs }) {
  const [command, ...flags] = podman;
  for (const [kind, make] of Object.entries(MAKERS)) {
    const fs = join(dir, `image-${kind}`);
    mkdirSync(fs, { recursive: true });
    const changes = make(fs, programs);
    const archive = `${fs}.tar`;
    run('tar', ['-C', fs, '-cf', archive, '.']);
    const name = `docker.io/library/${images[kind].name}`;
    run(command, [...flags, 'import', '--quiet', ...changes.flatMap((line) => ['--change', line]), archive, name], {
      env,
    });
  }
}
