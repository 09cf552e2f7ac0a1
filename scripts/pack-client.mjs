// npm run pack:client: a package of the client alone, which installs the NATS client and nothing of the service.
//   node scripts/pack-client.mjs [folder]   where the .tgz is put; .data unless told
// `npm pack` makes one, too, but that has the service's dependencies.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ensureReady, NotReady, root, runScript } from './bootstrap.mjs';

const CLIENT = join('dist', 'src', 'client');
const KEPT = ['name', 'version', 'license', 'type', 'exports', 'files', 'engines'];

/** The package's description: that of the service without what only the service needs. */
function describe() {
  const whole = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const kept = Object.fromEntries(KEPT.map((key) => [key, whole[key]]));
  const description = 'Sends events to metrics-service, and records the requests of a Fastify or Express application.';
  return { ...kept, description, dependencies: { nats: whole.dependencies.nats } };
}

async function main() {
  const target = resolve(process.argv[2] ?? join(root, '.data'));
  await ensureReady();
  mkdirSync(target, { recursive: true });
  const staging = mkdtempSync(join(tmpdir(), 'metrics-client-'));
  try {
    cpSync(join(root, CLIENT), join(staging, CLIENT), { recursive: true });
    cpSync(join(root, 'LICENSE'), join(staging, 'LICENSE'));
    cpSync(join(root, 'docs', 'publishing.md'), join(staging, 'README.md'));
    writeFileSync(join(staging, 'package.json'), `${JSON.stringify(describe(), null, 2)}\n`);
    const args = ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', target];
    const { status, stdout, stderr } = spawnSync('npm', args, { cwd: staging, encoding: 'utf8' });
    if (status !== 0) throw new NotReady(`${stdout}${stderr}\nnpm pack failed`);
    process.stdout.write(`${join(target, stdout.trim())}\n`);
  } finally {
    rmSync(staging, { recursive: true });
  }
}

await runScript(main);
