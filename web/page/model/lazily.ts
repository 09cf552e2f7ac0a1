/**
 * Something that is made at its first use and kept. For the formats of Intl: each takes a browser some milliseconds, which a page
 * that has not asked for its numbers yet does not have.
 */
export function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
