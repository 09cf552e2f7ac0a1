import type { ExpositionFormat } from '../queries/exposition.js';

/**
 * The format that an `Accept` header prefers: OpenMetrics where it is named with a quality that is not 0 and not below
 * that of the text format, which is what everybody else gets.
 */
export function chooseExposition(accept: string | undefined): ExpositionFormat {
  let [open, text] = [0, 0];
  for (const range of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const quality = qualityOf(parameters);
    if (type === 'application/openmetrics-text') open = Math.max(open, quality);
    if (type === 'text/plain') text = Math.max(text, quality);
  }
  return open > 0 && open >= text ? 'openmetrics' : 'text';
}

/** 0 to 1; 1 where none is given. What cannot be read asks for nothing. */
function qualityOf(parameters: readonly string[]): number {
  const given = parameters.find((parameter) => parameter.startsWith('q='));
  if (given === undefined) return 1;
  const quality = Number(given.slice(2));
  return quality >= 0 && quality <= 1 ? quality : 0;
}
