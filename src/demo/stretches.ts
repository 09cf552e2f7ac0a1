/** Minutes one after another, counted from 1970. */
export interface Stretch {
  readonly fromMinute: number;
  /** Not included. */
  readonly untilMinute: number;
}

/** The same minutes as few stretches, in order, with a gap between any two. */
export function joined(stretches: readonly Stretch[]): Stretch[] {
  const result: Stretch[] = [];
  for (const next of stretches.filter(isSome).sort((a, b) => a.fromMinute - b.fromMinute)) {
    const last = result.at(-1);
    if (last === undefined || next.fromMinute > last.untilMinute) result.push(next);
    else result[result.length - 1] = { ...last, untilMinute: Math.max(last.untilMinute, next.untilMinute) };
  }
  return result;
}

/** What of a stretch none of the others has, in order. */
export function missingOf({ fromMinute, untilMinute }: Stretch, others: readonly Stretch[]): Stretch[] {
  const result: Stretch[] = [];
  let reached = fromMinute;
  for (const each of joined(others)) {
    result.push({ fromMinute: reached, untilMinute: Math.min(each.fromMinute, untilMinute) });
    reached = Math.max(reached, each.untilMinute);
  }
  return [...result, { fromMinute: reached, untilMinute }].filter(isSome);
}

export function minutesOf(stretches: readonly Stretch[]): number {
  return stretches.reduce((sum, { fromMinute, untilMinute }) => sum + untilMinute - fromMinute, 0);
}

function isSome({ fromMinute, untilMinute }: Stretch): boolean {
  return fromMinute < untilMinute;
}
