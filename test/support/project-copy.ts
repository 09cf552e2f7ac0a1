import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const COPIED = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.client.json',
  'scripts',
  'src',
  'migrations',
  'test',
  'bench',
];
const ALSO_COPIED = ['config', 'web', 'bin', 'dist'];
const LEFT_OUT = join('dist', 'bundle', 'tests');
const SERVERS = new Set(['nats-server', 'redis-server', 'valkey-server']);

/** This project in a temporary folder, as built, with the same dependencies and no data. */
export function copyProject(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'project-')));
  // As root, Postgres runs as another user, who must be able to walk through.
  chmodSync(folder, 0o711);
  for (const name of [...COPIED, ...ALSO_COPIED].filter((one) => existsSync(one))) {
    // With their times, by which the bootstrap tells that nothing has to be compiled.
    cpSync(name, join(folder, name), {
      recursive: true,
      preserveTimestamps: true,
      filter: (from) => from !== LEFT_OUT,
    });
  }
  symlinkSync(realpathSync('node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** A PATH of one folder that has every program of this PATH but nats-server and redis-server; also `extra` programs. */
export function pathWithoutServers(folder: string, extra: readonly string[]): string {
  const bin = join(folder, 'path');
  mkdirSync(bin);
  const places = (process.env.PATH ?? '').split(delimiter).filter((place) => !place.includes('node_modules'));
  const seen = new Set(SERVERS);
  const put = (name: string, target: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    symlinkSync(target, join(bin, name));
  };
  for (const program of extra) put(program.slice(program.lastIndexOf('/') + 1), program);
  for (const place of places.filter((one) => existsSync(one))) {
    for (const name of readdirSync(place)) put(name, join(place, name));
  }
  return bin;
}
