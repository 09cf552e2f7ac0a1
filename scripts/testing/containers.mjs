// What test/containers needs: a Docker engine with Compose. Where none answers, podman takes its place: as root on a
// Debian-like system packages are installed (and said so), and podman's storage is private and goes with the run.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { NotReady } from '../bootstrap.mjs';
import { importImages } from './images.mjs';

/** Programs that take the place of Docker's, and make the images, with the packages that bring them. */
const NEEDED = {
  podman: ['podman', 'conmon', 'containernetworking-plugins', 'netavark', 'aardvark-dns', 'iptables'],
  runc: ['runc'],
  'docker-compose': ['docker-compose'],
  debootstrap: ['debootstrap'],
  prometheus: ['prometheus'],
  // What health checks of docker-compose.yml ask with; the real images have busybox's.
  wget: ['wget'],
};
const INSTALL_TIMEOUT_MS = 300_000;
const SERVICE_TIMEOUT_MS = 20_000;
const END_TIMEOUT_MS = 10_000;
const CLEAN_TIMEOUT_MS = 120_000;
const POLL_INTERVAL_MS = 100;

/** runc, cgroupfs and the limits: what works where the kernel's control groups are not those of systemd. */
const SETTINGS = `[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
[containers]
default_ulimits=["nofile=20000:20000","nproc=4096:4096"]
`;

/** A short name means what it means to Docker. */
const REGISTRIES = 'unqualified-search-registries = ["docker.io"]\n';

function programPath(name) {
  return spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
}

function hasProgram(name) {
  return programPath(name) !== '';
}

/** Installs what is missing of podman and the rest, or throws why that cannot be done here. */
function providePrograms(print) {
  const missing = Object.entries(NEEDED).flatMap(([program, packages]) => (hasProgram(program) ? [] : packages));
  if (missing.length === 0) return;
  const why = process.getuid?.() !== 0 ? 'this is not root' : hasProgram('apt-get') ? undefined : 'there is no apt-get';
  if (why !== undefined) {
    throw new NotReady(
      'The container tests need a Docker engine. None answers, and podman cannot be installed in its ' +
        `place, because ${why}. Start Docker, or set DOCKER_HOST, and run this again.`,
    );
  }
  print(`no Docker engine answers: installing ${missing.join(', ')} with apt-get`);
  const options = {
    encoding: 'utf8',
    timeout: INSTALL_TIMEOUT_MS,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...missing];
  for (const args of [['update', '-qq'], install]) {
    const result = spawnSync('apt-get', args, options);
    if (result.status !== 0) throw new NotReady(`apt-get ${args[0]} failed: ${result.stderr || result.error}`);
  }
}

/** Podman with storage below `dir`: layers that share files where the kernel can lay them over one another there. */
function privatePodman(dir, env) {
  for (const driver of ['overlay', 'vfs']) {
    const storage = ['--root', join(dir, driver), '--runroot', join(dir, 'run'), '--tmpdir', join(dir, 'tmp')];
    const podman = ['podman', ...storage, `--storage-driver=${driver}`];
    if (spawnSync(podman[0], [...podman.slice(1), 'info'], { env, timeout: 30_000 }).status === 0) return podman;
  }
  throw new NotReady('podman info fails: podman cannot be used here');
}

/** A `docker` whose folder goes before PATH: the tests type what people type. */
function writeDocker(dir, podman) {
  const folder = join(dir, 'bin');
  mkdirSync(folder);
  const lines = [
    '#!/bin/sh',
    '[ "$1" = compose ] && shift && exec docker-compose "$@"',
    `exec ${podman.join(' ')} "$@"`,
    '',
  ];
  writeFileSync(join(folder, 'docker'), lines.join('\n'), { mode: 0o755 });
  return folder;
}

/** What docker-compose.yml runs beside the servers of src/devservices. */
async function readComposeImages(root) {
  // Not before it is installed: npm test begins without any package.
  const { parse } = await import('yaml');
  const { services } = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'));
  return { prometheus: { name: services.prometheus.image } };
}

async function waitForSocket(socket, service) {
  const deadlineMs = performance.now() + SERVICE_TIMEOUT_MS;
  while (!existsSync(socket)) {
    if (service.exitCode !== null) throw new NotReady(`podman system service ended with ${service.exitCode}`);
    if (performance.now() > deadlineMs) throw new NotReady('podman system service does not listen after 20 s');
    await sleep(POLL_INTERVAL_MS);
  }
}

/** What is mounted below a folder, the deepest first; podman leaves its own storage mounted. */
function mountsBelow(dir) {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const paths = mounts.map((line) => line.split(' ')[1] ?? '').filter((path) => path.startsWith(`${dir}/`));
  return paths.sort((a, b) => b.length - a.length);
}

async function endService(service) {
  service.kill('SIGTERM');
  const deadlineMs = performance.now() + END_TIMEOUT_MS;
  while (service.exitCode === null && service.signalCode === null && performance.now() < deadlineMs) {
    await sleep(POLL_INTERVAL_MS);
  }
  service.kill('SIGKILL');
}

/**
 * @param {{root: string, node: string, programs: object, print: (line: string) => void, signal: AbortSignal}} options
 *   `node` and the servers' `programs` are what images are made of
 * @returns {Promise<{env: Record<string, string>, close: () => Promise<void>}>} `env` for the tests
 */
export async function prepareContainers({ root, node, programs, print, signal }) {
  const load = (name) => import(pathToFileURL(join(root, 'dist', 'src', 'devservices', name)).href);
  const { findEngine } = await load('engine.js');
  if (await findEngine()) {
    print('using the Docker engine that answers here');
    return { env: {}, close: async () => undefined };
  }
  providePrograms(print);
  const { IMAGES } = await load('images.js');
  const dir = mkdtempSync(join(tmpdir(), 'metrics-podman-'));
  const env = {
    ...process.env,
    CONTAINERS_CONF: join(dir, 'containers.conf'),
    CONTAINERS_REGISTRIES_CONF: join(dir, 'registries.conf'),
    // HEALTHCHECK is no part of the format that podman makes unless told.
    BUILDAH_FORMAT: 'docker',
  };
  writeFileSync(env.CONTAINERS_CONF, SETTINGS);
  writeFileSync(env.CONTAINERS_REGISTRIES_CONF, REGISTRIES);
  const podman = privatePodman(dir, env);
  let service;
  const close = async () => {
    try {
      spawnSync(podman[0], [...podman.slice(1), 'rm', '--all', '--force', '--time', '3'], {
        env,
        timeout: CLEAN_TIMEOUT_MS,
      });
      if (service) await endService(service);
    } finally {
      spawnSync(podman[0], [...podman.slice(1), 'system', 'reset', '--force'], { env, timeout: CLEAN_TIMEOUT_MS });
      for (const path of mountsBelow(dir)) spawnSync('umount', ['--lazy', path]);
      rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    }
  };
  try {
    print('making images from the programs on this machine');
    const images = { ...IMAGES, ...(await readComposeImages(root)) };
    const [prometheus, wget] = ['prometheus', 'wget'].map((name) => realpathSync(programPath(name)));
    importImages({ podman, env, dir, images, programs: { ...programs, prometheus, wget }, root, node, print });
    signal.throwIfAborted();
    const socket = join(dir, 'podman.sock');
    service = spawn(podman[0], [...podman.slice(1), 'system', 'service', '--time=0', `unix://${socket}`], {
      env,
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await waitForSocket(socket, service);
    const engine = { DOCKER_HOST: `unix://${socket}`, TESTCONTAINERS_RYUK_DISABLED: 'true' };
    const { CONTAINERS_CONF, CONTAINERS_REGISTRIES_CONF, BUILDAH_FORMAT } = env;
    const settings = { CONTAINERS_CONF, CONTAINERS_REGISTRIES_CONF, BUILDAH_FORMAT };
    const PATH = `${writeDocker(dir, podman)}${delimiter}${process.env.PATH}`;
    // Ports are mapped to this machine, also where this machine is a container itself.
    return { env: { ...engine, ...settings, PATH, TESTCONTAINERS_HOST_OVERRIDE: '127.0.0.1' }, close };
  } catch (error) {
    await close();
    throw error;
  }
}
