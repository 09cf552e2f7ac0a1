const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/**
 * Reads an RFC 3339 time. `Date.parse` is not used: it accepts 2026-02-30 and much that is no RFC 3339.
 * A leap second (:60) counts as the second after it, as Postgres has it.
 *
 * @returns milliseconds since 1970 (finer digits are cut off), or undefined where the text is no such time
 */
export function parseRfc3339(text: string): number | undefined {
  return parseUsual(text) ?? parseAny(text);
}

/** The day that was read last: events that come together are of one day as a rule. */
let lastDay = { text: '', midnightMs: 0 };

/** `2026-11-24T12:00:00.000Z` as most write it, read by its places; undefined where it has to be looked at closely. */
function parseUsual(text: string): number | undefined {
  if (text.length !== 24 || text[10] !== 'T' || text[13] !== ':' || text[16] !== ':' || text[19] !== '.')
    return undefined;
  if (text[23] !== 'Z') return undefined;
  if (lastDay.text === '' || !text.startsWith(lastDay.text)) {
    const midnightMs = parseAny(`${text.slice(0, 10)}T00:00:00Z`);
    if (midnightMs === undefined) return undefined;
    lastDay = { text: text.slice(0, 10), midnightMs };
  }
  const [hour, minute, second] = [twoDigits(text, 11), twoDigits(text, 14), twoDigits(text, 17)];
  const milliseconds = twoDigits(text, 20) * 10 + digit(text, 22);
  // NaN, for what is no digit, is not below anything.
  if (!(hour < 24 && minute < 60 && second < 60 && milliseconds < 1000)) return undefined;
  return lastDay.midnightMs + ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds;
}

function twoDigits(text: string, at: number): number {
  return digit(text, at) * 10 + digit(text, at + 1);
}

/** NaN where there is none. */
function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - 48;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}

function parseAny(text: string): number | undefined {
  const match = RFC_3339.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const milliseconds = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3));
  const offsetMinutes = Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0);
  if (Number(match[9] ?? 0) > 23 || Number(match[10] ?? 0) > 59) return undefined;
  const sign = match[8] === '-' ? 1 : -1;
  // Date.UTC takes years below 100 for 19xx, so the year is set by itself; the time of day is added after it, because
  // a leap second at the end of December belongs to the next year.
  const midnightMs = new Date(0).setUTCFullYear(year, month - 1, day);
  const secondsOfDay = (hour * 60 + minute) * 60 + second;
  return midnightMs + secondsOfDay * 1000 + milliseconds + sign * offsetMinutes * 60_000;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** The time that was written last: events that come together often have the same. */
let lastWritten = { timeMs: 0, text: '1970-01-01T00:00:00.000Z' };

/** RFC 3339 in UTC with milliseconds, the one form in which this service writes a time. */
export function formatTime(timeMs: number): string {
  if (timeMs !== lastWritten.timeMs) lastWritten = { timeMs, text: new Date(timeMs).toISOString() };
  return lastWritten.text;
}
