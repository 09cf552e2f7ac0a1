import { lazily } from './lazily.js';

/** How numbers are written. All take null, which is written as a dash: nothing is known. */
export type Format = (value: number | null) => string;

const NOTHING = '–';
/** Keeps a number and its unit on one line. */
const SPACE = '\u00a0';
const LOCALE = 'en';

const whole = lazily(() => new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 }));
const compact = lazily(() => new Intl.NumberFormat(LOCALE, { notation: 'compact', maximumSignificantDigits: 3 }));
const threeDigits = lazily(() => new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 3 }));
const twoDigits = lazily(() => new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 2 }));

/** From here on counts are rounded: 12,345 is 12.3K. */
const COMPACT_FROM = 10_000;

export const count: Format = (value) => {
  if (value === null) return NOTHING;
  return Math.abs(value) < COMPACT_FROM ? whole().format(value) : compact().format(value);
};

/** Every digit, for where somebody looks closer. */
export const exact: Format = (value) => (value === null ? NOTHING : whole().format(value));

/** A ratio of 0 to 1. What is small but not nothing is not written as 0. */
export const percent: Format = (value) => {
  if (value === null) return NOTHING;
  const hundredths = value * 100;
  return `${(Math.abs(hundredths) < 1 ? twoDigits : threeDigits)().format(hundredths)}${SPACE}%`;
};

export const milliseconds: Format = (value) => {
  if (value === null) return NOTHING;
  if (value < 1_000) return `${(value < 10 ? twoDigits : whole)().format(value)}${SPACE}ms`;
  if (value < 60_000) return `${threeDigits().format(value / 1_000)}${SPACE}s`;
  return duration(value / 1_000);
};

const DURATION_UNITS = [
  { seconds: 86_400, name: 'd' },
  { seconds: 3_600, name: 'h' },
  { seconds: 60, name: 'min' },
  { seconds: 1, name: 's' },
] as const;

/** Seconds in the two largest units: 4 min 12 s. */
export function duration(seconds: number | null): string {
  if (seconds === null) return NOTHING;
  let rest = Math.round(seconds);
  const parts: string[] = [];
  for (const unit of DURATION_UNITS) {
    const amount = Math.floor(rest / unit.seconds);
    rest -= amount * unit.seconds;
    if (amount > 0) parts.push(`${amount}${SPACE}${unit.name}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.length === 0 ? `0${SPACE}s` : parts.join(SPACE);
}

/** The same to the nearest minute, where little room is: 5 min. */
export function roughDuration(seconds: number): string {
  return duration(seconds < 60 ? seconds : Math.round(seconds / 60) * 60);
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export const bytes: Format = (value) => {
  if (value === null) return NOTHING;
  const power = Math.min(BYTE_UNITS.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, value)) / 10)));
  const scaled = value / 1_024 ** power;
  return `${(scaled >= 100 ? whole : threeDigits)().format(scaled)}${SPACE}${BYTE_UNITS[power] ?? ''}`;
};

/** Per second; two digits of what is small, since a request in five minutes is 0.0033/s and not 0. */
export const perSecond: Format = (value) => {
  if (value === null) return NOTHING;
  return `${(value < 10 ? twoDigits : threeDigits)().format(value)}/s`;
};

/** Percent that is told as such, 0 to 100. */
export const load: Format = (value) => (value === null ? NOTHING : `${whole().format(value)}${SPACE}%`);

/** How long ago something was, roughly. Clocks may differ a little, so the future is now. */
export function ago(timeMs: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - timeMs) / 1_000);
  if (seconds < 5) return 'just now';
  const unit = DURATION_UNITS.find((each) => seconds >= each.seconds);
  return unit === undefined ? 'just now' : `${Math.floor(seconds / unit.seconds)}${SPACE}${unit.name} ago`;
}

/** Words for people of names that programs made: `appointment_created` is Appointment created. */
export function words(name: string): string {
  const spaced = name.replace(/[_-]+/g, ' ').trim();
  return spaced === '' ? name : spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** `1 alert`, `2 alerts`. */
export function plural(amount: number, one: string, many = `${one}s`): string {
  return `${whole().format(amount)} ${amount === 1 ? one : many}`;
}
