import { lazily } from './lazily.js';

/** Times are written in the reader's time zone, on a clock of 24 hours. */
const LOCALE = 'en-GB';

const clock = lazily(() => new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit' }));
const clockWithSeconds = lazily(
  () => new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit', second: '2-digit' }),
);
const day = lazily(() => new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short' }));
const weekday = lazily(() => new Intl.DateTimeFormat(LOCALE, { weekday: 'short', day: 'numeric', month: 'short' }));

const DAY_S = 86_400;

export const timeOfDay = (timeMs: number): string => clock().format(timeMs);
export const timeWithSeconds = (timeMs: number): string => clockWithSeconds().format(timeMs);
export const dayAndTime = (timeMs: number): string => `${day().format(timeMs)}, ${clock().format(timeMs)}`;
export const shortDay = (timeMs: number): string => day().format(timeMs);

/** An interval of a series, as a reader names it: a day, or from when to when. */
export function intervalLabel(startMs: number, intervalSeconds: number): string {
  if (intervalSeconds >= DAY_S) {
    const last = startMs + (intervalSeconds - DAY_S) * 1_000;
    return last === startMs ? weekday().format(startMs) : `${day().format(startMs)} – ${day().format(last)}`;
  }
  return `${weekday().format(startMs)}, ${clock().format(startMs)} – ${clock().format(startMs + intervalSeconds * 1_000)}`;
}

export const timeZone = (): string => new Intl.DateTimeFormat(LOCALE).resolvedOptions().timeZone;
