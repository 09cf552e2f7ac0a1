import { type CodecOptions, decodeMessage, type LogMessage } from '../../events/codec.js';
import { isObject, parseJson } from '../../events/json.js';

/** Whether a message of the log is an event of the user, or would be if it were valid. */
export function ofUser(userId: number, codec: CodecOptions): (message: LogMessage) => boolean {
  return (message) => {
    const decoded = decodeMessage(message, codec);
    if (!decoded.ok) return namesUser(message.data, userId);
    return decoded.value.kind !== 'system' && decoded.value.body.user_id === userId;
  };
}

/** Whether a payload that no decoder takes names the user, itself or within a CloudEvents envelope. */
export function namesUser(data: Uint8Array, userId: number): boolean {
  const parsed = parseJson(data);
  if (!parsed.ok) return mentions(userId).test(Buffer.from(data).toString('latin1'));
  const { value } = parsed;
  return isObject(value) && (isUser(value, userId) || (isObject(value.data) && isUser(value.data, userId)));
}

/** An id that was sent as text is refused as an event's, but names the person all the same. */
function isUser(body: Readonly<Record<string, unknown>>, userId: number): boolean {
  return body.user_id === userId || body.user_id === String(userId);
}

/** In what is no JSON, or was cut off. */
function mentions(userId: number): RegExp {
  return new RegExp(`"user_id"\\s*:\\s*"?${userId}(?![0-9.])`);
}
