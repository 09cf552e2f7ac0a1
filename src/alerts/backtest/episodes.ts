import type { AlertRule } from '../rule.js';

/** One stretch of firing. Times are ends of buckets, ms since 1970. */
export interface Episode {
  readonly rule: string;
  readonly service: string | undefined;
  readonly startsAtMs: number;
  /** Null where it still fires at the end. */
  readonly endsAtMs: number | null;
  /** When it began. */
  readonly value: number | null;
}

/** What one rule told in a range. */
export interface RuleTotals {
  readonly rule: string;
  /** Stretches of firing that reach into the range. */
  readonly alerts: number;
  readonly services: number;
  /** Within the range, all services added up. */
  readonly firingMs: number;
  readonly longestMs: number;
  readonly firingAtEnd: number;
}

/** Sums of the rules, in their order; rules that told nothing are there with zeros. */
export function totalsOf(
  rules: readonly AlertRule[],
  episodes: readonly Episode[],
  fromMs: number,
  toMs: number,
): RuleTotals[] {
  const byRule = Map.groupBy(episodes, ({ rule }) => rule);
  return rules.map(({ name }) => {
    const own = byRule.get(name) ?? [];
    const lengths = own.map(({ startsAtMs, endsAtMs }) =>
      Math.max(0, (endsAtMs ?? toMs) - Math.max(startsAtMs, fromMs)),
    );
    return {
      rule: name,
      alerts: own.length,
      services: new Set(own.map(({ service }) => service)).size,
      firingMs: lengths.reduce((sum, length) => sum + length, 0),
      longestMs: lengths.reduce((most, length) => Math.max(most, length), 0),
      firingAtEnd: own.filter(({ endsAtMs }) => endsAtMs === null).length,
    };
  });
}

/** What two files of rules told differently about the same past. */
export interface EpisodeDifferences {
  readonly onlyFirst: readonly Episode[];
  readonly onlySecond: readonly Episode[];
  /** Of one rule and service, overlapping, and not from and to the same time. */
  readonly otherTimes: readonly (readonly [first: Episode, second: Episode])[];
}

/** Pairs what overlaps, each with the first that is not paired yet. */
export function compareEpisodes(first: readonly Episode[], second: readonly Episode[]): EpisodeDifferences {
  const onlyFirst: Episode[] = [];
  const otherTimes: (readonly [Episode, Episode])[] = [];
  const unpaired = new Map([...Map.groupBy(second, keyOf)].map(([key, episodes]) => [key, [...episodes]]));
  for (const episode of first) {
    const candidates = unpaired.get(keyOf(episode)) ?? [];
    const index = candidates.findIndex((each) => overlap(episode, each));
    const [pair] = index < 0 ? [] : candidates.splice(index, 1);
    if (pair === undefined) onlyFirst.push(episode);
    else if (pair.startsAtMs !== episode.startsAtMs || pair.endsAtMs !== episode.endsAtMs) {
      otherTimes.push([episode, pair]);
    }
  }
  const left = new Set([...unpaired.values()].flat());
  return { onlyFirst, onlySecond: second.filter((episode) => left.has(episode)), otherTimes };
}

function keyOf({ rule, service }: Episode): string {
  return `${rule} ${service ?? ''}`;
}

function overlap(a: Episode, b: Episode): boolean {
  return a.startsAtMs < (b.endsAtMs ?? Infinity) && b.startsAtMs < (a.endsAtMs ?? Infinity);
}
