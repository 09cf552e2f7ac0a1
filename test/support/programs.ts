import { basename, join } from 'node:path';
import type { Environment } from '../../src/config.js';

const DIST = join(import.meta.dirname, '../..');

/**
 * What a test runs as a process of its own: the bundle that scripts/build-bundle.mjs makes of a compiled file, since it
 * starts in half the processor time. Coverage is told by file, so it is measured of the file itself.
 *
 * @param name as in src/main.js; one of those that are bundled
 */
export function programPath(name: string): string {
  return process.env.NODE_V8_COVERAGE === undefined ? join(DIST, 'bundle', basename(name)) : join(DIST, name);
}

/** The service and its command line. */
export const MAIN = programPath('src/main.js');

/** What the runner gives all processes to begin with less work, for those that get no other variable of ours. */
export const KEPT_CODE: Environment = Object.fromEntries(
  ['NODE_COMPILE_CACHE', 'GLIBC_TUNABLES'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  }),
);
