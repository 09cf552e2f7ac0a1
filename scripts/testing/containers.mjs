// What test/containers needs: a Docker engine. Where none answers, podman takes its place: as root on a Debian-like
// system its packages are installed (and said so), its storage is private and goes with the run.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { NotReady } from '../bootstrap.mjs';
import { importImages } from './images.mjs';

const PACKAGES = ['podman', 'runc', 'conmon', 'containernetworking-plugins', 'netavark', 'aardvark-dns', 'iptables'];
const INSTALL_TIMEOUT_MS = 300_000;
const SERVICE_TIMEOUT_MS = 20_000;
const END_TIMEOUT_MS = 10_000;
const POLL_INTERVAL_MS = 100;

/** runc, cgroupfs and the limits: what works where the kernel's control groups are not those of systemd. */
const SETTINGS = `[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
[containers]
default_ulimits=["nofile=20000:20000","nproc=4096:4096"]
`;

function hasProgram(name) {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}

/** Installs podman, or throws why that cannot be done here. */
function providePodman(print) {
  if (hasProgram('podman') && hasProgram('runc')) return;
  const why = process.getuid?.() !== 0 ? 'this is not root' : hasProgram('apt-get') ? undefined : 'there is no apt-get';
  if (why !== undefined) {
    throw new NotReady(
      'The container tests need a Docker engine. None answers, and podman cannot be installed in its ' +
        `place, because ${why}. Start Docker, or set DOCKER_HOST, and run this again.`,
    );
  }
  print(`no Docker engine answers: installing ${PACKAGES.join(', ')} with apt-get`);
  const options = {
    encoding: 'utf8',
    timeout: INSTALL_TIMEOUT_MS,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...PACKAGES];
  for (const args of [['update', '-qq'], install]) {
    const result = spawnSync('apt-get', args, options);
    if (result.status !== 0) throw new NotReady(`apt-get ${args[0]} failed: ${result.stderr || result.error}`);
  }
}

async function waitForSocket(socket, service) {
  const deadlineMs = performance.now() + SERVICE_TIMEOUT_MS;
  while (!existsSync(socket)) {
    if (service.exitCode !== null) throw new NotReady(`podman system service ended with ${service.exitCode}`);
    if (performance.now() > deadlineMs) throw new NotReady('podman system service does not listen after 20 s');
    await sleep(POLL_INTERVAL_MS);
  }
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
 * @param {string} root
 * @param {object} programs the servers' programs, of which images are made
 * @param {(line: string) => void} print
 * @param {AbortSignal} signal
 * @returns {Promise<{env: Record<string, string>, close: () => Promise<void>}>} `env` for the tests
 */
export async function prepareContainers(root, programs, print, signal) {
  const load = (name) => import(pathToFileURL(join(root, 'dist', 'src', 'devservices', name)).href);
  const { findEngine } = await load('engine.js');
  if (await findEngine()) {
    print('using the Docker engine that answers here');
    return { env: {}, close: async () => undefined };
  }
  providePodman(print);
  const { IMAGES } = await load('images.js');
  const dir = mkdtempSync(join(tmpdir(), 'metrics-podman-'));
  const env = { ...process.env, CONTAINERS_CONF: join(dir, 'containers.conf') };
  writeFileSync(env.CONTAINERS_CONF, SETTINGS);
  const storage = ['--root', join(dir, 'storage'), '--runroot', join(dir, 'run'), '--tmpdir', join(dir, 'tmp')];
  const podman = ['podman', ...storage, '--storage-driver=vfs'];
  let service;
  const close = async () => {
    try {
      spawnSync(podman[0], [...podman.slice(1), 'rm', '--all', '--force', '--time', '3'], { env, timeout: 30_000 });
      if (service) await endService(service);
    } finally {
      spawnSync(podman[0], [...podman.slice(1), 'system', 'reset', '--force'], { env, timeout: 30_000 });
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    }
  };
  try {
    print('making images of the servers from the programs on this machine');
    importImages({ podman, env, dir, images: IMAGES, programs });
    signal.throwIfAborted();
    const socket = join(dir, 'podman.sock');
    service = spawn(podman[0], [...podman.slice(1), 'system', 'service', '--time=0', `unix://${socket}`], {
      env,
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await waitForSocket(socket, service);
    const engine = { DOCKER_HOST: `unix://${socket}`, TESTCONTAINERS_RYUK_DISABLED: 'true' };
    // Ports are mapped to this machine, also where this machine is a container itself.
    return { env: { ...engine, TESTCONTAINERS_HOST_OVERRIDE: '127.0.0.1' }, close };
  } catch (error) {
    await close();
    throw error;
  }
}
