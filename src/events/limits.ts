import type { FieldError, RefusalReason } from './refusals.js';

/** Limits of `metadata` and `tags`. */
export const MAX_OBJECT_KEYS = 64;
export const MAX_OBJECT_LEVELS = 10;
export const MAX_OBJECT_BYTES = 16_384;

type Fault = FieldError & { readonly reason: RefusalReason };

/**
 * Looks for what the log could take and the tables could not: too large or too deep objects, text that jsonb and
 * text columns refuse (U+0000, lone surrogates), numbers that are no longer what was written (beyond 2^53 a JSON
 * integer is rounded silently, 1e400 becomes Infinity).
 *
 * @returns the first fault, or undefined
 */
export function findUnstorable(body: Readonly<Record<string, unknown>>): Fault | undefined {
  for (const key of Object.keys(body)) {
    const value = body[key];
    const fault = typeof value === 'object' && value !== null ? checkObject(value) : checkScalar(value);
    if (fault !== undefined) return below(key, fault);
  }
  return undefined;
}

function checkObject(value: object): Fault | undefined {
  const fault = walk(value, 1);
  if (fault !== undefined) return fault;
  // Nearly all are far below, which is seen without writing them out.
  if (bytesAtMost(value) <= MAX_OBJECT_BYTES) return undefined;
  return Buffer.byteLength(JSON.stringify(value)) > MAX_OBJECT_BYTES ? tooLarge() : undefined;
}

/** More than any number, true, false or null takes, with a comma. */
const MAX_SCALAR_BYTES = 32;
/** A character that is escaped as \\u001f; in UTF-8 none takes more. */
const MAX_CHARACTER_BYTES = 6;

/** What JSON of a value takes, or somewhat more. */
function bytesAtMost(value: unknown): number {
  if (typeof value === 'string') return value.length * MAX_CHARACTER_BYTES + 3;
  if (typeof value !== 'object' || value === null) return MAX_SCALAR_BYTES;
  let bytes = 3;
  for (const key in value) {
    bytes += key.length * MAX_CHARACTER_BYTES + 4 + bytesAtMost(Reflect.get(value, key));
    if (bytes > MAX_OBJECT_BYTES) break;
  }
  return bytes;
}

function tooLarge(): Fault {
  return { reason: 'object_too_large', pointer: '', detail: `is larger than ${MAX_OBJECT_BYTES} bytes` };
}

function walk(value: object, level: number): Fault | undefined {
  if (level > MAX_OBJECT_LEVELS) {
    return { reason: 'too_deep', pointer: '', detail: `is nested deeper than ${MAX_OBJECT_LEVELS} levels` };
  }
  const isArray = Array.isArray(value);
  // Before its keys are listed: an item has at least two bytes in JSON, so a longer array is too large whatever it holds.
  if (isArray && value.length > MAX_OBJECT_BYTES / 2) return tooLarge();
  const keys = Object.keys(value);
  if (!isArray && keys.length > MAX_OBJECT_KEYS) {
    return { reason: 'object_too_large', pointer: '', detail: `has more than ${MAX_OBJECT_KEYS} keys` };
  }
  for (const key of keys) {
    const child: unknown = Reflect.get(value, key);
    const fault =
      (isArray ? undefined : checkScalar(key)) ??
      (typeof child === 'object' && child !== null ? walk(child, level + 1) : checkScalar(child));
    if (fault !== undefined) return below(key, fault);
  }
  return undefined;
}

function checkScalar(value: unknown): Fault | undefined {
  if (typeof value === 'string' && (!value.isWellFormed() || value.includes('\0'))) {
    return { reason: 'text_not_storable', pointer: '', detail: 'contains U+0000 or a lone surrogate' };
  }
  if (typeof value === 'number' && !(Math.abs(value) <= Number.MAX_SAFE_INTEGER)) {
    return { reason: 'number_out_of_range', pointer: '', detail: 'is beyond 2^53 - 1' };
  }
  return undefined;
}

/** A fault's pointer grows on the way up, so that a body without one costs no text. */
function below(key: string, fault: Fault): Fault {
  return { ...fault, pointer: `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}${fault.pointer}` };
}
