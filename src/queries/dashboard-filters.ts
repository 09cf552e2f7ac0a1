import type { Parameters } from '../store/rollups.js';

/** Leaves out rows: requests and measurements of other services, requests of other routes, user events of other types. */
export interface DashboardFilters {
  readonly service?: string | undefined;
  /** A route as answers show it, ids replaced by `:id`. */
  readonly endpoint?: string | undefined;
  readonly eventType?: string | undefined;
}

/** Conditions on the columns `service_name` and `route`; empty where nothing is left out. */
export function requestConditions({ service, endpoint }: DashboardFilters, parameters: Parameters): string[] {
  return [...equals('service_name', service, parameters), ...equals('route', endpoint, parameters)];
}

/** A condition, or none where no value is asked for. */
export function equals(column: string, value: string | undefined, parameters: Parameters): string[] {
  return value === undefined ? [] : [`${column} = ${parameters.add(value)}`];
}
