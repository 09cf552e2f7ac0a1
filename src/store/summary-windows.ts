import { HOUR_S, MINUTE_S } from './summary-schema.js';

export const SUMMARY_WINDOWS = ['1h', '24h', '7d', '30d'] as const;
export type SummaryWindow = (typeof SUMMARY_WINDOWS)[number];

const SECONDS: Readonly<Record<SummaryWindow, number>> = {
  '1h': 3_600,
  '24h': 86_400,
  '7d': 604_800,
  '30d': 2_592_000,
};

/** A stretch of time up to now; events that are dated a little ahead count, too. */
export interface WindowBounds {
  readonly seconds: number;
  /** Seconds since 1970. A whole minute up to a day, a whole hour beyond: what Redis and Postgres both can count. */
  readonly fromS: number;
}

/** The bounds of a summary's window: its length back from the end of the running minute (or hour, beyond a day). */
export function windowBounds(window: SummaryWindow, nowMs: number): WindowBounds {
  const seconds = SECONDS[window];
  const grain = seconds > SECONDS['24h'] ? HOUR_S : MINUTE_S;
  const endS = (Math.floor(nowMs / 1000 / grain) + 1) * grain;
  return { seconds, fromS: endS - seconds };
}
