/**
 * Whether a secret is worth its name. Its length is asked for everywhere; in production also that it is no example, no
 * word and no pattern, and none that `npm start` has made for a developer.
 */

/** What `npm start` begins its own secrets with, so that production knows them. */
export const DEVELOPMENT_PREFIX = 'development-only-';

/** Of an HMAC key: the size of SHA-256's output, as RFC 7518 asks for HS256. */
export const MIN_KEY_BYTES = 32;
/** Of a token that is compared as it is. */
export const MIN_TOKEN_BYTES = 16;

/** Of 32 random hexadecimal digits, and of 16, fewer are different once in a hundred thousand. */
const MIN_DISTINCT_OF_KEY = 9;
const MIN_DISTINCT_OF_TOKEN = 5;
/** Random text has more neighbours that are as near once in a hundred thousand. */
const MAX_NEAR_NEIGHBOURS = 0.6;
/** In examples, tutorials and lists of passwords. None is shorter than six letters: those come about by chance, too. */
const WORDS =
  /changeme|replaceme|password|passwort|passphrase|secret|example|insecure|placeholder|default|metricsservice|abcdef|qwerty|letmein|testtest/;

/**
 * Why somebody might guess a secret; undefined where nothing speaks for it. The detail never repeats the secret.
 *
 * @param minBytes how long it has to be
 */
export function weaknessOf(secret: string, minBytes: number): string | undefined {
  if (Buffer.byteLength(secret) < minBytes) return `must have at least ${minBytes} bytes`;
  if (secret.startsWith(DEVELOPMENT_PREFIX))
    return 'is one that npm start made for development: set one of your own, or unset NODE_ENV';
  const minDistinct = minBytes < MIN_KEY_BYTES ? MIN_DISTINCT_OF_TOKEN : MIN_DISTINCT_OF_KEY;
  if (new Set(secret).size < minDistinct) return 'is made of too few different characters';
  if (repeatsItself(secret)) return 'repeats itself';
  if (nearNeighbours(secret) > MAX_NEAR_NEIGHBOURS) return 'counts up or down';
  // Whatever stands between the letters: change-me, S.e.c.r.e.t
  if (WORDS.test(secret.toLowerCase().replace(/[^a-z]/g, ''))) return 'holds a word of examples and lists of passwords';
  return undefined;
}

function repeatsItself(text: string): boolean {
  for (let period = 1; period <= text.length / 2; period += 1) {
    if (text.startsWith(text.slice(period))) return true;
  }
  return false;
}

/** The share of characters that are the one before, or beside it in the alphabet. */
function nearNeighbours(text: string): number {
  let near = 0;
  for (let index = 1; index < text.length; index += 1) {
    if (Math.abs(text.charCodeAt(index) - text.charCodeAt(index - 1)) <= 1) near += 1;
  }
  return near / Math.max(1, text.length - 1);
}
