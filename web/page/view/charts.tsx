import { Chart, type Drawn } from '../chart/chart.js';
import type { Dashboard } from '../model/answers.js';
import { count, exact, milliseconds, words } from '../model/format.js';
import { largest, type Named, stacked, startsOf, sum, valuesOf } from '../model/series.js';
import { Nothing, Panel } from './panel.js';
import { SeriesTable } from './series-table.js';

interface Props {
  readonly dashboard: Dashboard;
  zoom(fromMs: number, toMs: number): void;
  readonly note?: string | undefined;
}

/** Types that have a colour of their own; the rest is one. */
const EVENT_TYPES = 6;

export function RequestsAndErrors({ dashboard, zoom }: Props) {
  const { requests, errors } = dashboard.series;
  const drawn: Drawn[] = [
    {
      name: 'Requests',
      values: valuesOf(requests),
      look: 'bars',
      colour: 'requests',
      total: dashboard.summary.api.requests,
    },
    { name: 'Errors', values: valuesOf(errors), look: 'bars', colour: 'errors', total: dashboard.summary.api.errors },
  ];
  return (
    <SeriesPanel
      id="requests"
      title="Requests and errors"
      width="wide"
      dashboard={dashboard}
      drawn={drawn}
      zoom={zoom}
      format={count}
    />
  );
}

export function ResponseTimes({ dashboard, zoom }: Props) {
  const { series, summary } = dashboard;
  const drawn: Drawn[] = [
    { name: 'p50', values: valuesOf(series.p50), look: 'line', colour: 'p50', total: summary.api.p50_response_time_ms },
    { name: 'p95', values: valuesOf(series.p95), look: 'line', colour: 'p95', total: summary.api.p95_response_time_ms },
    {
      name: 'p99',
      values: valuesOf(series.p99),
      look: 'dashes',
      colour: 'p99',
      total: summary.api.p99_response_time_ms,
    },
  ];
  return (
    <SeriesPanel
      id="times"
      title="Response time"
      width="wide"
      dashboard={dashboard}
      drawn={drawn}
      zoom={zoom}
      format={milliseconds}
    />
  );
}

export function ActiveUsers({ dashboard, zoom, note }: Props) {
  const { series, comparison } = dashboard;
  const drawn: Drawn[] = [
    {
      name: 'Active users',
      values: valuesOf(series.active_users),
      look: 'area',
      colour: 'users',
      total: comparison?.numbers.active_users.current ?? null,
    },
    {
      name: 'Registrations',
      values: valuesOf(series.registrations),
      look: 'line',
      colour: 'business',
      total: dashboard.summary.users.registrations,
    },
  ];
  return (
    <SeriesPanel
      id="users"
      title="Users"
      width="wide"
      note={note}
      dashboard={dashboard}
      drawn={drawn}
      zoom={zoom}
      format={count}
    />
  );
}

/** Events by type, one upon another. */
export function EventTypes({ dashboard, zoom, note }: Props) {
  const types = largest(dashboard.series.events_by_type, EVENT_TYPES);
  const heights = stacked(types);
  const drawn = types.map((type: Named, place): Drawn => {
    const colour = type.name === 'other' ? 'rest' : `type${place + 1}`;
    return {
      name: words(type.name),
      values: type.values,
      heights: heights[place],
      look: 'bars',
      colour,
      total: type.total,
    };
  });
  return (
    <SeriesPanel
      id="events"
      title="Events by type"
      width="wide"
      note={note}
      dashboard={dashboard}
      drawn={drawn}
      zoom={zoom}
      format={count}
    />
  );
}

interface SeriesPanelProps extends Props {
  readonly id: string;
  readonly title: string;
  readonly width?: 'wide' | 'full';
  readonly drawn: readonly Drawn[];
  readonly format: (value: number | null) => string;
}

function SeriesPanel({ id, title, width, note, dashboard, drawn, zoom, format }: SeriesPanelProps) {
  const starts = startsOf(dashboard.series.requests);
  const hasData = drawn.some(({ values }) => sum(values) > 0);
  return (
    <Panel
      id={id}
      title={title}
      note={note}
      {...(width === undefined ? {} : { width })}
      table={() => (
        <SeriesTable
          title={title}
          starts={starts}
          intervalSeconds={dashboard.interval_seconds}
          drawn={drawn}
          format={format === count ? exact : format}
        />
      )}
    >
      {hasData ? (
        <>
          <ul class="legend">
            {drawn.map(({ name, colour, look, total }) => (
              <li key={name} class={look}>
                <i class={`swatch ${colour}`} aria-hidden="true" />
                {name} <b>{format(total)}</b>
              </li>
            ))}
          </ul>
          <Chart
            title={title}
            starts={starts}
            range={[Date.parse(dashboard.from) / 1_000, Date.parse(dashboard.to) / 1_000]}
            intervalSeconds={dashboard.interval_seconds}
            answeredAt={Date.parse(dashboard.generated_at) / 1_000}
            drawn={drawn}
            format={format}
            isWhole={format === count}
            zoom={zoom}
          />
        </>
      ) : (
        <Nothing>Nothing in this range</Nothing>
      )}
    </Panel>
  );
}
