import type { Dashboard, HeadlineNumber } from '../model/answers.js';
import { viewChange, type Welcome } from '../model/change.js';
import { count, exact, type Format, milliseconds, percent, plural, roughDuration } from '../model/format.js';
import { beforeName } from '../model/ranges.js';
import { sparkPath, type Values, valuesOf } from '../model/series.js';
import type { PageData } from '../state/store.js';
import { Panel } from './panel.js';
import { STATUSES } from './services.js';

interface NumberProps {
  readonly name: string;
  readonly value: number | null;
  readonly format: Format;
  readonly dashboard: Dashboard;
  readonly compared?: HeadlineNumber;
  readonly welcome?: Welcome;
  readonly spark?: Values | undefined;
  readonly colour?: string;
  /** In words, beside the change. */
  readonly note?: string | undefined;
}

/** The numbers that one looks at first, each with how it has changed. */
export function Headlines({ data: { dashboard, selection } }: { readonly data: PageData }) {
  const { summary, series } = dashboard;
  const { api, users, system } = summary;
  return (
    <section class="headlines" aria-labelledby="headlines-title">
      <h2 id="headlines-title" class="unseen">
        Headline numbers, compared with the {beforeName(selection.range)}
      </h2>
      <Headline
        name="Requests"
        value={api.requests}
        format={count}
        dashboard={dashboard}
        compared="requests"
        spark={valuesOf(series.requests)}
      />
      <Headline
        name="Error rate"
        value={api.error_rate}
        format={percent}
        dashboard={dashboard}
        compared="error_rate"
        welcome="down"
        spark={api.error_rate === null ? undefined : valuesOf(series.error_rate).map((value) => value ?? 0)}
        colour="errors"
        note={plural(api.errors, 'error')}
      />
      <Headline
        name="Response time, p95"
        value={api.p95_response_time_ms}
        format={milliseconds}
        dashboard={dashboard}
        compared="p95_response_time_ms"
        welcome="down"
        spark={valuesOf(series.p95)}
      />
      <Headline
        name="Active users"
        value={dashboard.comparison?.numbers.active_users.current ?? users.active.daily}
        format={count}
        dashboard={dashboard}
        compared="active_users"
        welcome="up"
        spark={valuesOf(series.active_users)}
        note={`${count(users.active.monthly)} in 30 days`}
      />
      <Headline
        name="Logins"
        value={users.logins}
        format={count}
        dashboard={dashboard}
        compared="logins"
        welcome="up"
        spark={valuesOf(series.logins)}
        note={users.avg_session_seconds === null ? undefined : `${roughDuration(users.avg_session_seconds)} a session`}
      />
      <div class="card">
        <h3>Services healthy</h3>
        <p class="number">
          <data value={system.healthy}>{exact(system.healthy)}</data>
          <span class="of"> of {exact(system.services)}</span>
        </p>
        <p class="beside">
          {STATUSES.filter((status) => status !== 'healthy' && system[status] > 0)
            .map((status) => `${system[status]} ${status}`)
            .join(', ')}
        </p>
        <div class="shares" aria-hidden="true">
          {STATUSES.flatMap((status) =>
            Array.from({ length: Math.min(60, system[status]) }, (_, index) => (
              <i key={`${status}${index}`} class={status} />
            )),
          )}
        </div>
      </div>
    </section>
  );
}

function Headline(props: NumberProps) {
  const { name, value, format, spark, colour = 'calm', note } = props;
  return (
    <div class="card" data-number={props.compared}>
      <h3>{name}</h3>
      <p class="number" title={typeof value === 'number' ? exact(value) : undefined}>
        <data value={value ?? ''}>{format(value)}</data>
      </p>
      <p class="beside">
        <ChangeMark {...props} />
        {note !== undefined && <span class="note">{note}</span>}
      </p>
      {spark !== undefined && <Spark values={spark} colour={colour} />}
    </div>
  );
}

const SPOKEN = { up: 'up', down: 'down', flat: 'unchanged' } as const;
const ARROWS = { up: '↑', down: '↓', flat: '→' } as const;

function ChangeMark({ dashboard, compared, welcome = 'neither', format }: NumberProps) {
  const change = compared === undefined ? undefined : dashboard.comparison?.numbers[compared];
  const view = viewChange(change, welcome);
  if (view === undefined) return null;
  return (
    <span class={`change ${view.tone}`} title={`${format(change?.previous ?? null)} before`}>
      <span aria-hidden="true">{ARROWS[view.direction]}</span>
      <span class="unseen">{SPOKEN[view.direction]} </span>
      {`\u2009${view.text}`}
    </span>
  );
}

const SPARK = { width: 160, height: 36 };

/** The course of a number, without axes: decoration of what a chart below shows in full. */
export function Spark({ values, colour }: { readonly values: Values; readonly colour: string }) {
  const { line, area } = sparkPath(values, SPARK.width, SPARK.height);
  return (
    <svg
      class={`spark ${colour}`}
      viewBox={`0 -1 ${SPARK.width} ${SPARK.height + 2}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <path class="area" d={area} />
      <path class="line" d={line} vector-effect="non-scaling-stroke" />
    </svg>
  );
}

const BUSINESS = [
  { key: 'appointments_created', name: 'Appointments' },
  { key: 'notifications_sent', name: 'Notifications sent' },
  { key: 'device_registrations', name: 'Devices registered' },
  { key: 'patient_engagement', name: 'Engaged patients' },
] as const;

/** What the platform is there for. */
export function Business({ dashboard, note }: { readonly dashboard: Dashboard; readonly note: string | undefined }) {
  return (
    <Panel id="business" title="Business" note={note}>
      <div class="figures">
        {BUSINESS.map(({ key, name }) => (
          <Headline
            key={key}
            name={name}
            value={dashboard.summary.business[key]}
            format={count}
            dashboard={dashboard}
            compared={key}
            welcome="up"
            spark={valuesOf(dashboard.series.business[key] ?? [])}
          />
        ))}
      </div>
    </Panel>
  );
}
