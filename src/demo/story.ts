import type { RouteName } from './platform.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** A service gets another version, which answers faster. */
export interface Deploy {
  readonly service: string;
  readonly atMs: number;
  readonly toVersion: string;
  /** How many times as long requests took before. */
  readonly slownessBefore: number;
}

/** For a while requests to one route go wrong, and more of them come, since callers try again. */
export interface Incident {
  readonly service: string;
  readonly route: RouteName;
  readonly fromMs: number;
  readonly toMs: number;
  /** Requests that come on top. */
  readonly surgePerMinute: number;
  /** What they, and the usual ones to this service, are answered with; undefined where they are only slow. */
  readonly status?: number;
  /** Median response time. */
  readonly medianMs: number;
}

/** What happens beside the usual. Given the same story and seed, each minute has the same events. */
export interface Story {
  readonly seed: number;
  /** Sessions of users that begin in a minute where the rhythm is 1. */
  readonly sessionsPerMinute: number;
  readonly deploys: readonly Deploy[];
  readonly incidents: readonly Incident[];
  /** From then on services measure themselves every minute; before, every quarter of an hour. */
  readonly measuredOftenFromMs: number;
  /** Nothing goes wrong by chance in this stretch. */
  readonly calm: { readonly fromMs: number; readonly toMs: number };
}

export interface StoryOptions {
  readonly seed: number;
  readonly sessionsPerMinute: number;
  /** When the demo was started for the first time: what lies in its past is counted from there. */
  readonly begunMs: number;
  /** When this process began to play. */
  readonly startMs: number;
  /** When live traffic begins; undefined while history is played: an incident to come is none of the past. */
  readonly liveMs?: number | undefined;
}

/** How long after live traffic begins payments fail, and for how long. */
export const LIVE_INCIDENT = { afterMs: 45_000, lastsMs: 45_000 } as const;
const MEASURED_OFTEN_MS = 15 * MINUTE_MS;
/**
 * History pages nobody, so rules know of nothing but live traffic when that begins: with a handful of requests, one error by
 * chance would be above five per cent.
 */
const CALM_MS = 6 * MINUTE_MS;

/** A deploy and two incidents in the past, one within the last day, and one incident to come. */
export function tellStory({ seed, sessionsPerMinute, begunMs, startMs, liveMs }: StoryOptions): Story {
  const payments = { service: 'billing', route: 'pay', status: 503, medianMs: 900 } as const;
  const liveFromMs = (liveMs ?? Number.POSITIVE_INFINITY) + LIVE_INCIDENT.afterMs;
  return {
    seed,
    sessionsPerMinute,
    deploys: [{ service: 'appointments', atMs: begunMs - 20 * HOUR_MS, toVersion: '2.9.0', slownessBefore: 2.5 }],
    incidents: [
      {
        service: 'notifications',
        route: 'send',
        fromMs: begunMs - 75 * HOUR_MS,
        toMs: begunMs - 75 * HOUR_MS + 25 * MINUTE_MS,
        surgePerMinute: 8,
        medianMs: 4_200,
      },
      {
        ...payments,
        fromMs: begunMs - 5 * HOUR_MS,
        toMs: begunMs - 5 * HOUR_MS + 20 * MINUTE_MS,
        surgePerMinute: 6,
      },
      { ...payments, fromMs: liveFromMs, toMs: liveFromMs + LIVE_INCIDENT.lastsMs, surgePerMinute: 60 },
    ],
    measuredOftenFromMs: startMs - MEASURED_OFTEN_MS,
    calm: { fromMs: startMs, toMs: (liveMs ?? startMs) + CALM_MS },
  };
}

/** The incident that a service has at a time. */
export function incidentAt(story: Story, service: string, timeMs: number): Incident | undefined {
  return story.incidents.find((each) => each.service === service && each.fromMs <= timeMs && timeMs < each.toMs);
}

/** How many times as long as usual a service takes at a time, incidents apart. */
export function slowness(story: Story, service: string, timeMs: number): number {
  const ahead = story.deploys.find((each) => each.service === service && timeMs < each.atMs);
  return ahead?.slownessBefore ?? 1;
}

/** The version that a service has at a time, of one that it has without a deploy. */
export function versionAt(story: Story, service: string, timeMs: number, first: string): string {
  const past = story.deploys.findLast((each) => each.service === service && each.atMs <= timeMs);
  return past?.toVersion ?? first;
}
