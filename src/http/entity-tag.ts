import { hash } from 'node:crypto';

/** Longer lists of tags are not looked at: their sender gets the answer itself. */
const MAX_IF_NONE_MATCH_CHARACTERS = 4_096;

/**
 * What changes by the clock alone: times of answering, and rates whose window grows with each second. It is looked for in
 * the JSON's text: a quotation mark without a backslash before it is JSON's own, so no name or text that came from a
 * publisher is taken for one of these.
 */
const BY_CLOCK_ALONE = /(?<!\\)"(?:generated_at":"[^"\\]*"|request_rate":(?:null|-?[\d.]+(?:[eE][-+]?\d+)?))/g;

/**
 * The state that an answer tells: a hash of its JSON without what changes by the clock alone.
 *
 * @param clockFields further members that do, as they stand in the JSON. Cut out of the text: writing a dashboard a second
 *   time would cost ten milliseconds
 */
export function stateOf(json: string, clockFields: readonly string[] = []): string {
  return digest(clockFields.reduce((text, field) => text.replace(field, ''), json).replace(BY_CLOCK_ALONE, ''));
}

/** The weak tag of a state: answers with the same tag say the same, not always in the same bytes. */
export function weakTag(state: string): string {
  return `W/"${state}"`;
}

/** The strong tag of bytes. */
export function strongTag(bytes: string | Buffer): string {
  return `"${digest(bytes)}"`;
}

function digest(data: string | Buffer): string {
  return hash('sha256', data, 'base64url');
}

/** Whether `If-None-Match` names the tag, by weak comparison (RFC 9110, sections 8.8.3.2 and 13.1.2). */
export function namesTag(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined || ifNoneMatch.length > MAX_IF_NONE_MATCH_CHARACTERS) return false;
  if (ifNoneMatch.trim() === '*') return true;
  // Our tags hold no comma, so a comma within somebody else's does no harm.
  return ifNoneMatch.split(',').some((each) => opaque(each.trim()) === opaque(tag));
}

function opaque(tag: string): string {
  return tag.startsWith('W/') ? tag.slice(2) : tag;
}
