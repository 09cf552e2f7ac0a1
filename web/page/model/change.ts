import type { Change } from './answers.js';
import { lazily } from './lazily.js';

/** How a number has changed since the period before, as it is shown. */
export interface ChangeView {
  readonly direction: 'up' | 'down' | 'flat';
  /** Whether that is welcome; most changes are neither. */
  readonly tone: 'good' | 'bad' | 'neutral';
  /** Without the sign, which the direction tells: 12 %, or 15× from ten times on. */
  readonly text: string;
}

/** Which direction is welcome. */
export type Welcome = 'up' | 'down' | 'neither';

const percentage = lazily(() => new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 0 }));
const finePercentage = lazily(() => new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 }));
const times = lazily(() => new Intl.NumberFormat('en', { maximumFractionDigits: 0 }));

/** Less than this is no change to speak of. */
const FLAT_BELOW = 0.0005;
/** Below this a change is not coloured: numbers go up and down all the time. */
const COLOURED_FROM = 0.05;

/** @returns undefined where there is nothing to compare with */
export function viewChange(change: Change | undefined, welcome: Welcome): ChangeView | undefined {
  if (change === undefined) return undefined;
  const relative = change.current === 0 && change.previous === 0 ? 0 : change.change;
  if (relative === null) return undefined;
  if (Math.abs(relative) < FLAT_BELOW) return { direction: 'flat', tone: 'neutral', text: '0%' };
  const direction = relative > 0 ? 'up' : 'down';
  const coloured = welcome !== 'neither' && Math.abs(relative) >= COLOURED_FROM;
  const tone = coloured ? (direction === welcome ? 'good' : 'bad') : 'neutral';
  return { direction, tone, text: sizeOf(Math.abs(relative)) };
}

function sizeOf(relative: number): string {
  if (relative >= 10) return `${times().format(relative + 1)}×`;
  return (relative < 0.1 ? finePercentage : percentage)().format(relative);
}
