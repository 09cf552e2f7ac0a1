import { writeFileSync } from 'node:fs';
import { UsageError } from '../config-error.js';
import { createUserKey } from '../stream/user-key.js';

/**
 * `metrics nkey <file>`: writes the seed of a new user of NATS for its owner's eyes alone, and prints the public key, which
 * is what the server's configuration has.
 *
 * @throws UsageError where the file is there, or cannot be made: a key that is in use is never replaced
 */
export function runNkey(file: string): number {
  const { seed, publicKey } = createUserKey();
  try {
    writeFileSync(file, `${seed}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    throw new UsageError([
      { name: file, detail: isThere ? 'is there already' : `cannot be written: ${String(error)}` },
    ]);
  }
  process.stdout.write(`${publicKey}\n`);
  return 0;
}
