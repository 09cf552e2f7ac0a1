import type { FieldError } from '../events/refusals.js';
import { SUMMARY_WINDOWS, type SummaryWindow } from '../queries/windows.js';
import { Problem } from './problems.js';

/** Query parameters as Fastify gives them. */
export type Parameters = Readonly<Record<string, unknown>>;

/** The window of a summary, 24 hours unless one is named. @throws Problem invalid_parameter */
export function readWindow(parameters: Parameters): SummaryWindow {
  const { window: wanted = '24h' } = readParameters(parameters, ['window']);
  const window = SUMMARY_WINDOWS.find((each) => each === wanted);
  if (window !== undefined) return window;
  throw invalid([{ pointer: 'window', detail: `must be one of ${SUMMARY_WINDOWS.join(', ')}` }]);
}

/** The parameters by name, each given at most once. A misspelt name is refused: it would be overlooked otherwise. */
export function readParameters<N extends string>(parameters: Parameters, names: readonly N[]): { [P in N]?: string } {
  const found: { [P in N]?: string } = {};
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(parameters)) {
    const name = names.find((each) => each === key);
    if (name === undefined) errors.push({ pointer: key.slice(0, 100), detail: 'is no parameter of this address' });
    else if (typeof value !== 'string') errors.push({ pointer: key, detail: 'must be given once' });
    else found[name] = value;
  }
  if (errors.length > 0) throw invalid(errors);
  return found;
}

export function invalid(errors: readonly FieldError[]): Problem {
  return new Problem('invalid_parameter', errors.map((error) => `${error.pointer} ${error.detail}`).join('; '), {
    errors,
  });
}
