import { isUtf8 } from 'node:buffer';
import { parse as parseSecurely } from 'secure-json-parse';
import { accept, type Outcome, refuse } from './refusals.js';

/** Deepest nesting of a whole body. */
const MAX_BODY_LEVELS = 16;
/** Below this size even the deepest nesting costs `JSON.parse` no noticeable time. */
const DEPTH_SCAN_FROM_BYTES = 16_384;
const BYTE_ORDER_MARK = 0xfeff;

/**
 * Parses bytes from outside as JSON: refuses invalid UTF-8, trailing garbage, keys that reach for a prototype,
 * and nesting that would block the process.
 */
export function parseJson(data: Uint8Array): Outcome<unknown> {
  if (!isUtf8(data)) return refuse('invalid_utf8', '', 'The body is not valid UTF-8');
  if (data.length > DEPTH_SCAN_FROM_BYTES && nestingExceeds(data, MAX_BODY_LEVELS)) {
    return refuse('too_deep', '', `The body is nested deeper than ${MAX_BODY_LEVELS} levels`);
  }
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8');
  try {
    // Nearly all bodies are like that, and then the search for such keys would take as long as parsing.
    if (hasOnlyHarmlessKeys(text)) return accept(JSON.parse(text));
    return accept(parseSecurely(text, null, { protoAction: 'error', constructorAction: 'error' }));
  } catch (error) {
    if (error instanceof SyntaxError && error.message.includes('forbidden prototype')) {
      return refuse('forbidden_key', '', 'The keys __proto__ and constructor.prototype are not allowed');
    }
    return refuse('invalid_json', '', 'The body is not valid JSON');
  }
}

/** Without an escape a key can be told by its letters. */
function hasOnlyHarmlessKeys(text: string): boolean {
  if (text.charCodeAt(0) === BYTE_ORDER_MARK) return false;
  return !text.includes('\\') && !text.includes('__proto__') && !text.includes('constructor');
}

/** Whether brackets outside of strings nest deeper than `maxLevels`. Looks at bytes, so it costs no allocation. */
function nestingExceeds(data: Uint8Array, maxLevels: number): boolean {
  let level = 0;
  let inString = false;
  for (let index = 0; index < data.length; index += 1) {
    const byte = data[index];
    if (inString) {
      if (byte === 0x5c) index += 1;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      level += 1;
      if (level > maxLevels) return true;
    } else if (byte === 0x7d || byte === 0x5d) level -= 1;
  }
  return false;
}

/** Whether a decoded JSON value is an object, and not an array or null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
