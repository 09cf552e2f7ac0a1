import { sep } from 'node:path';

/** What a compiled file, named as seen from dist, is called in the bundle of tests, whose files lie in one folder. */
export function bundledName(name) {
  return name.split(sep).join('~');
}
