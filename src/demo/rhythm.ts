const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

const NIGHT = 0.25;
const WEEKEND = 0.6;

/**
 * How much is going on, as a factor around 1: a quarter at night, up to 1.8 in the late morning and somewhat less in the
 * afternoon, and at weekends six tenths of that. By UTC.
 */
export function busyness(timeMs: number): number {
  const hour = (timeMs % DAY_MS) / HOUR_MS;
  const morning = 1.5 * Math.exp(-((hour - 10.5) ** 2) / 10);
  const afternoon = 1.2 * Math.exp(-((hour - 16) ** 2) / 8);
  const evening = 0.5 * Math.exp(-((hour - 20.5) ** 2) / 6);
  const weekday = new Date(timeMs).getUTCDay();
  return (NIGHT + morning + afternoon + evening) * (weekday === 0 || weekday === 6 ? WEEKEND : 1);
}
