/** Milliseconds with three decimals as whole microseconds. */
export function toMicroseconds(milliseconds: string | null): number {
  return milliseconds === null ? 0 : Number(milliseconds.replace('.', ''));
}

/** For `like any`: event types that begin with one of the prefixes. */
export function prefixPatterns(prefixes: readonly string[]): string[] {
  return prefixes.map((prefix) => `${prefix.replace(/[\\%_]/g, (character) => `\\${character}`)}%`);
}
