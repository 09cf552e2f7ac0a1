import { routeOf } from '../store/route.js';
import { DAY_S } from '../store/summary-schema.js';
import { previousPeriod } from './dashboard-comparison.js';
import { parseDashboardRange, type RangeProblem } from './dashboard-range.js';
import type { DashboardQuestion } from './dashboard-source.js';

export const DASHBOARD_PARAMETERS = ['from', 'to', 'interval', 'service', 'event_type', 'endpoint', 'compare'] as const;
export type DashboardParameters = { readonly [P in (typeof DASHBOARD_PARAMETERS)[number]]?: string | undefined };

export type QuestionOutcome =
  | { readonly ok: true; readonly value: DashboardQuestion }
  | { readonly ok: false; readonly problems: readonly RangeProblem[] };

/** What events may be called; a filter that no event can match is a mistake of who asks. */
const NAME = /^[A-Za-z0-9_-]{1,100}$/;
const MAX_ROUTE_CHARACTERS = 255;
const DAY_MS = DAY_S * 1000;

/**
 * Reads what is asked of the dashboard: the range (`parseDashboardRange`), filters by `service`, `event_type` and
 * `endpoint` (a route as answers show it), and `compare=previous`.
 */
export function parseDashboardQuestion(
  parameters: DashboardParameters,
  nowMs: number,
  retentionDays: number,
): QuestionOutcome {
  const range = parseDashboardRange(parameters, nowMs, retentionDays);
  const problems: RangeProblem[] = range.ok ? [] : [...range.problems];
  for (const pointer of ['service', 'event_type'] as const) {
    const name = parameters[pointer];
    if (name !== undefined && !NAME.test(name)) problems.push({ pointer, detail: `must match ${NAME.source}` });
  }
  const { endpoint, compare } = parameters;
  if (
    endpoint !== undefined &&
    (endpoint === '' || endpoint.length > MAX_ROUTE_CHARACTERS || endpoint.includes('\0'))
  ) {
    problems.push({ pointer: 'endpoint', detail: `must be a route of 1 to ${MAX_ROUTE_CHARACTERS} characters` });
  }
  if (compare !== undefined && compare !== 'previous') {
    problems.push({ pointer: 'compare', detail: 'must be previous' });
  }
  if (range.ok && compare === 'previous') {
    const { fromMs } = previousPeriod(range.value, nowMs);
    if (fromMs < nowMs - (retentionDays + 1) * DAY_MS) {
      const detail = `needs a period before that lies within the retention of ${retentionDays} days`;
      problems.push({ pointer: 'compare', detail });
    }
  }
  if (!range.ok || problems.length > 0) return { ok: false, problems };
  // Whoever asks for /users/42 means the route of it, under which it is counted.
  const route = endpoint === undefined ? undefined : routeOf(endpoint);
  const filters = { service: parameters.service, endpoint: route, eventType: parameters.event_type };
  return { ok: true, value: { range: range.value, filters, compare: compare === 'previous' } };
}
