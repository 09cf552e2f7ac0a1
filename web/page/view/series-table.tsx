import type { Drawn } from '../chart/chart.js';
import { intervalLabel } from '../model/times.js';

interface Props {
  readonly title: string;
  readonly starts: readonly number[];
  readonly intervalSeconds: number;
  readonly drawn: readonly Drawn[];
  readonly format: (value: number | null) => string;
}

/** A chart's numbers, the latest first. Intervals in which nothing happened are left out. */
export function SeriesTable({ title, starts, intervalSeconds, drawn, format }: Props) {
  const places = starts
    .map((_, place) => place)
    .filter((place) => drawn.some(({ values }) => (values[place] ?? 0) > 0));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
    <section class="scroll tall" aria-label={`${title}, numbers`} tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {drawn.map(({ name }) => (
              <th key={name} scope="col" class="figure">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {places.reverse().map((place) => (
            <tr key={starts[place]}>
              <th scope="row">{intervalLabel((starts[place] ?? 0) * 1_000, intervalSeconds)}</th>
              {drawn.map(({ name, values }) => (
                <td key={name} class="figure">
                  {format(values[place] ?? null)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
