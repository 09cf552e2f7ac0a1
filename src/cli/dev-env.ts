import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

function place(root: string): string {
  return join(root, '.data', 'dev.env');
}

/** No quote of a dotenv file can be escaped inside of itself: the first that the value does not hold is taken. */
function quoted(value: string): string {
  const quote = ["'", '"', '`'].find((candidate) => !value.includes(candidate)) ?? "'";
  return `${quote}${value}${quote}`;
}

/** Leaves word of how to reach the running service and its servers, for the other commands of this clone. */
export function writeDevEnv(root: string, env: Readonly<Record<string, string>>): void {
  const path = place(root);
  mkdirSync(dirname(path), { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  const lines = Object.entries(env).map(([name, value]) => `${name}=${quoted(value)}\n`);
  // Holds the secret that tokens are signed with.
  writeFileSync(unfinished, lines.join(''), { mode: 0o600 });
  renameSync(unfinished, path);
}

/** Takes the word back. */
export function forgetDevEnv(root: string): void {
  rmSync(place(root), { force: true });
}
