import { type CodecOptions, decodeMessage, type LogMessage } from '../../events/codec.js';
import { isObject, parseJson } from '../../events/json.js';
import { resolvePointer } from '../../events/sources.js';
import { readLetter } from '../../stream/letters.js';

/** Where our own events have the id of their user. */
const USER_ID_POINTER = '/user_id';

/** Whether a message of the log is an event of the user, or would be if it were valid. */
export function ofUser(userId: number, codec: CodecOptions): (message: LogMessage) => boolean {
  return (message) => {
    const decoded = decodeMessage(message, codec);
    if (!decoded.ok) return namesUser(message.data, userId, foreignPointer(message.subject, codec));
    return decoded.value.kind !== 'system' && decoded.value.body.user_id === userId;
  };
}

/** Whether a dead letter is of an event that would be the user's if it were valid. */
export function letterOfUser(userId: number, codec: CodecOptions): (letter: LogMessage) => boolean {
  return (letter) => namesUser(letter.data, userId, foreignPointer(readLetter(letter).subject, codec));
}

/** Where another service's events have the id of their user, by `config/sources.yaml`. */
function foreignPointer(subject: string, { matchSource }: CodecOptions): string | undefined {
  return matchSource(subject)?.userIdPointer;
}

/**
 * Whether a payload that no decoder takes names the user, itself or within a CloudEvents envelope.
 *
 * @param foreignPointer another place where the id may be, as a JSON pointer
 */
export function namesUser(data: Uint8Array, userId: number, foreignPointer?: string): boolean {
  const pointers = foreignPointer === undefined ? [USER_ID_POINTER] : [USER_ID_POINTER, foreignPointer];
  const parsed = parseJson(data);
  if (!parsed.ok) {
    const text = Buffer.from(data).toString('latin1');
    return pointers.some((pointer) => mentions(pointer, userId).test(text));
  }
  const { value } = parsed;
  if (!isObject(value)) return false;
  // Refused in an envelope, but kept.
  const { data_base64: encoded } = value;
  if (typeof encoded === 'string' && namesUser(Buffer.from(encoded, 'base64'), userId, foreignPointer)) return true;
  return pointers.some((pointer) => [value, value.data].some((body) => isUser(resolvePointer(body, pointer), userId)));
}

/** An id that was sent as text is refused as an event's, but names the person all the same. */
function isUser(value: unknown, userId: number): boolean {
  return value === userId || value === String(userId);
}

/** In what is no JSON, or was cut off, by the pointer's last key. */
function mentions(pointer: string, userId: number): RegExp {
  const key = (pointer.split('/').at(-1) ?? '').replaceAll('~1', '/').replaceAll('~0', '~');
  return new RegExp(`"${key.replace(/[^A-Za-z0-9_]/g, '\\$&')}"\\s*:\\s*"?${userId}(?![0-9.])`);
}
