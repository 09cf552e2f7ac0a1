import type { OperationalStatus } from '../model/answers.js';
import { bytes, count, duration, milliseconds } from '../model/format.js';
import { COMPONENT_NAMES } from './banners.js';
import { Nothing, Panel } from './panel.js';

const PROJECTIONS: Readonly<Record<string, string>> = {
  tables: 'Postgres tables',
  summaries: 'Redis summaries',
  sessions: 'Sessions',
};
/** A projection that is so far behind shows. */
const LATE_FROM_S = 10;

/** How far each fold of the log is, and the servers that it all stands on. */
export function Pipeline({ status }: { readonly status: OperationalStatus | null }) {
  if (status === null) {
    return (
      <Panel id="pipeline" title="Pipeline" width="full">
        <Nothing>Its status cannot be read at present</Nothing>
      </Panel>
    );
  }
  const log = status.streams.find(({ name }) => name === 'METRICS');
  return (
    <Panel id="pipeline" title="Pipeline" note="from the log to the numbers" width="full">
      <dl class="stages">
        {log !== undefined && (
          <div>
            <dt>Log</dt>
            <dd>
              <b>{count(log.messages)}</b> events
              <span class="soft">{bytes(log.bytes)}</span>
            </dd>
          </div>
        )}
        {status.projections.map((projection) => (
          <div key={projection.name} data-projection={projection.name}>
            <dt>{PROJECTIONS[projection.name] ?? projection.name}</dt>
            <dd>
              <Lag events={projection.lag_events} seconds={projection.lag_seconds} />
              <span class="soft">{projection.reason ?? projection.state}</span>
            </dd>
          </div>
        ))}
        {Object.entries(status.components).map(([name, component]) => (
          <div key={name} data-component={name}>
            <dt>{COMPONENT_NAMES[name] ?? name}</dt>
            <dd>
              <span class={`status ${component.status === 'up' ? 'healthy' : 'down'}`}>{component.status}</span>
              <span class="soft">{milliseconds(component.latency_ms)}</span>
            </dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}

function Lag({ events, seconds }: { readonly events: number | null; readonly seconds: number | null }) {
  if (events === null) return <b>unknown</b>;
  if (events === 0) return <b>up to date</b>;
  return (
    <b class={(seconds ?? 0) >= LATE_FROM_S ? 'late' : ''}>
      {count(events)} behind{seconds !== null && `, ${duration(seconds)}`}
    </b>
  );
}
