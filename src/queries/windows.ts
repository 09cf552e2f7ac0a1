import { DAY_S, MINUTE_S } from '../store/summary-schema.js';
import type { WindowBounds } from '../store/summary-windows.js';

export { SUMMARY_WINDOWS, type SummaryWindow, type WindowBounds, windowBounds } from '../store/summary-windows.js';

/** The last aggregation interval, in whole minutes: what the health of services is judged by. */
export function intervalBounds(intervalSeconds: number, nowMs: number): WindowBounds {
  const endS = (Math.floor(nowMs / 1000 / MINUTE_S) + 1) * MINUTE_S;
  // The running minute counts on top, so that there is always a whole interval of data.
  const fromS = endS - MINUTE_S - Math.ceil(intervalSeconds / MINUTE_S) * MINUTE_S;
  return { seconds: endS - fromS, fromS };
}

/** How much of a window has passed, in seconds: what a rate is divided by. A window ends with the running minute or hour. */
export function passedSeconds({ seconds, fromS }: WindowBounds, nowMs: number): number {
  return Math.min(seconds, Math.max(1, nowMs / 1000 - fromS));
}

/** Start (seconds since 1970) of today, of the last 7 and of the last 30 calendar days in UTC, today included. */
export function calendarStarts(nowMs: number): {
  readonly dailyS: number;
  readonly weeklyS: number;
  readonly monthlyS: number;
} {
  const todayS = Math.floor(nowMs / 1000 / DAY_S) * DAY_S;
  return { dailyS: todayS, weeklyS: todayS - 6 * DAY_S, monthlyS: todayS - 29 * DAY_S };
}

/**
 * Start (seconds since 1970) of the first day that is kept. Of days before it, dropped already or not, neither source
 * shows a measurement or a service.
 *
 * @param retentionDays Infinity keeps everything
 */
export function keptFromS(retentionDays: number, nowMs: number): number {
  if (retentionDays === Number.POSITIVE_INFINITY) return 0;
  return Math.max(0, (Math.floor(nowMs / 1000 / DAY_S) - retentionDays) * DAY_S);
}
