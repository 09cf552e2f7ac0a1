import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEVELOPMENT_PREFIX } from '../config.js';

const SECRET_BYTES = 32;

/**
 * The secret that this clone's tokens are signed with: made once and kept, so that tokens outlive a restart. It says of
 * itself that it is for development; a service in production refuses it.
 */
export function devSecret(root: string): string {
  const folder = join(root, '.data');
  const path = join(folder, 'jwt-secret');
  mkdirSync(folder, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, randomBytes(SECRET_BYTES).toString('base64url'), { mode: 0o600 });
  try {
    // Linked and not written in place: of two starts at once both get the same one, and whole.
    linkSync(unfinished, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    rmSync(unfinished, { force: true });
  }
  return `${DEVELOPMENT_PREFIX}${readFileSync(path, 'utf8').trim()}`;
}
