import type { Dashboard } from '../queries/dashboard.js';

/**
 * Members of a dashboard's JSON that change with each millisecond: the running interval's rate, and how much of the period
 * before is compared.
 */
export function clockFieldsOf({ series, comparison }: Dashboard): string[] {
  const rates = `"request_rate":${JSON.stringify(series.request_rate)}`;
  return comparison === null ? [rates] : [rates, `"to":${JSON.stringify(comparison.to)}`];
}
