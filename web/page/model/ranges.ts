import { dayAndTime } from './times.js';

/** Lengths that are one click away, with the interval of their charts: some 15 to 170 points. */
export const PRESETS = {
  '15m': { name: 'Last 15 minutes', before: '15 minutes before', intervalSeconds: 60, seconds: 900 },
  '1h': { name: 'Last hour', before: 'hour before', intervalSeconds: 60, seconds: 3_600 },
  '6h': { name: 'Last 6 hours', before: '6 hours before', intervalSeconds: 300, seconds: 21_600 },
  '24h': { name: 'Last 24 hours', before: '24 hours before', intervalSeconds: 900, seconds: 86_400 },
  '7d': { name: 'Last 7 days', before: '7 days before', intervalSeconds: 3_600, seconds: 604_800 },
  '30d': { name: 'Last 30 days', before: '30 days before', intervalSeconds: 21_600, seconds: 2_592_000 },
  '90d': { name: 'Last 90 days', before: '90 days before', intervalSeconds: 86_400, seconds: 7_776_000 },
} as const;
export type Preset = keyof typeof PRESETS;
export const PRESET_NAMES = Object.keys(PRESETS).filter(isPreset);

/** The stretch of time that is looked at. */
export type Range =
  | { readonly kind: 'last'; readonly preset: Preset }
  | { readonly kind: 'between'; readonly fromMs: number; readonly toMs: number };

/** What is looked at; it stands in the page's address, so that it can be kept and passed on. */
export interface Selection {
  readonly range: Range;
  /** Undefined: all services. */
  readonly service: string | undefined;
}

export const DEFAULT_SELECTION: Selection = { range: { kind: 'last', preset: '24h' }, service: undefined };

const MAX_POINTS = 180;
const INTERVALS_S = [60, 120, 300, 900, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];
/** Longer ranges are read from counts of whole hours. */
const HOURS_FROM_S = 42 * 3_600;
export const SHORTEST_RANGE_MS = 60_000;
const SERVICE_NAME = /^[A-Za-z0-9_-]{1,100}$/;

function isPreset(text: string): text is Preset {
  return Object.hasOwn(PRESETS, text);
}

/** The interval of the charts of a stretch, in seconds. */
export function intervalFor(fromMs: number, toMs: number): number {
  const seconds = (toMs - fromMs) / 1_000;
  const shortest = seconds > HOURS_FROM_S ? 3_600 : 60;
  const fitting = INTERVALS_S.find((each) => each >= shortest && seconds / each <= MAX_POINTS);
  return fitting ?? 604_800;
}

/** `from` and `to` as the service takes them. */
export function edgesOf(range: Range): { readonly from: string; readonly to: string } {
  if (range.kind === 'last') return { from: `-${range.preset}`, to: 'now' };
  return { from: new Date(range.fromMs).toISOString(), to: new Date(range.toMs).toISOString() };
}

/** The address of the dashboard for a selection. */
export function dashboardPath({ range, service }: Selection, compare: boolean): string {
  const interval =
    range.kind === 'last' ? PRESETS[range.preset].intervalSeconds : intervalFor(range.fromMs, range.toMs);
  const query = new URLSearchParams({ ...edgesOf(range), interval: String(interval) });
  if (compare) query.set('compare', 'previous');
  if (service !== undefined) query.set('service', service);
  return `/metrics/dashboard?${query}`;
}

/** Reads the page's address; what makes no sense there is as if it were not there. */
export function parseSelection(query: string): Selection {
  const parameters = new URLSearchParams(query);
  const service = parameters.get('service') ?? '';
  return {
    range: parseRange(parameters) ?? DEFAULT_SELECTION.range,
    service: SERVICE_NAME.test(service) ? service : undefined,
  };
}

function parseRange(parameters: URLSearchParams): Range | undefined {
  const preset = parameters.get('range');
  if (preset !== null) return isPreset(preset) ? { kind: 'last', preset } : undefined;
  return between(Date.parse(parameters.get('from') ?? ''), Date.parse(parameters.get('to') ?? ''));
}

/** A stretch of at least a minute; undefined where it is none. */
export function between(fromMs: number, toMs: number): Range | undefined {
  if (Number.isNaN(fromMs) || Number.isNaN(toMs) || toMs - fromMs < SHORTEST_RANGE_MS) return undefined;
  return { kind: 'between', fromMs, toMs };
}

/** The query that `parseSelection` reads; empty for what is shown unless asked. */
export function writeSelection({ range, service }: Selection): string {
  const query = new URLSearchParams();
  if (range.kind === 'between') for (const [name, edge] of Object.entries(edgesOf(range))) query.set(name, edge);
  else if (range.preset !== '24h') query.set('range', range.preset);
  if (service !== undefined) query.set('service', service);
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

export function rangeName(range: Range): string {
  if (range.kind === 'last') return PRESETS[range.preset].name;
  return `${dayAndTime(range.fromMs)} – ${dayAndTime(range.toMs)}`;
}

/** What headline numbers are compared with. */
export function beforeName(range: Range): string {
  return range.kind === 'last' ? PRESETS[range.preset].before : 'same length before';
}
