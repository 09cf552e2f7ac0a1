import type { ServiceHealth, ServiceStatus, SplitSeries } from '../model/answers.js';
import { ago, bytes, load, milliseconds, percent, perSecond } from '../model/format.js';
import { seriesNamed, valuesOf } from '../model/series.js';
import { dayAndTime } from '../model/times.js';
import { Spark } from './headlines.js';
import { Nothing, Panel } from './panel.js';

/** The worst last, as they stand beside one another. */
export const STATUSES = ['healthy', 'unknown', 'degraded', 'down'] as const satisfies readonly ServiceStatus[];

interface Props {
  readonly services: readonly ServiceHealth[];
  readonly cpu: SplitSeries;
  readonly note: string;
  choose(name: string): void;
}

/** How each service is, the worst first, and why. */
export function Services({ services, cpu, note, choose }: Props) {
  const sorted = [...services].sort(
    (a, b) => STATUSES.indexOf(b.status) - STATUSES.indexOf(a.status) || (a.service_name < b.service_name ? -1 : 1),
  );
  return (
    <Panel id="services" title="Services" note={`${note}, now`} width="full">
      {sorted.length === 0 ? (
        <Nothing>No service has reported yet</Nothing>
      ) : (
        <div class="scroll">
          <table class="stacks">
            <thead>
              <tr>
                <th scope="col">Service</th>
                <th scope="col">Status</th>
                <th scope="col" class="figure">
                  Requests
                </th>
                <th scope="col" class="figure">
                  Errors
                </th>
                <th scope="col" class="figure">
                  p95
                </th>
                <th scope="col" class="figure">
                  CPU
                </th>
                <th scope="col" class="figure">
                  Memory
                </th>
                <th scope="col" class="figure">
                  Pool
                </th>
                <th scope="col" class="figure">
                  Last seen
                </th>
              </tr>
            </thead>
            <tbody>
              {sorted.map((service) => (
                <ServiceRow key={service.service_name} service={service} cpu={cpu} choose={choose} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

interface RowProps {
  readonly service: ServiceHealth;
  readonly cpu: SplitSeries;
  choose(name: string): void;
}

function ServiceRow({ service, cpu, choose }: RowProps) {
  const { service_name: name, status, reasons, db_pool: pool } = service;
  const seenMs = Date.parse(service.last_seen_at);
  return (
    <tr data-service={name}>
      <th scope="row">
        <button type="button" class="link" title={`Show ${name} alone`} onClick={() => choose(name)}>
          {name}
        </button>
        {reasons.length > 0 && <span class="reasons">{reasons.join('; ')}</span>}
      </th>
      <td data-label="Status">
        <span class={`status ${status}`}>{status}</span>
      </td>
      <td class="figure" data-label="Requests">
        <data value={service.request_rate}>{perSecond(service.request_rate)}</data>
      </td>
      <td class="figure" data-label="Errors">
        <data value={service.error_rate ?? ''}>{percent(service.error_rate)}</data>
      </td>
      <td class="figure" data-label="p95">
        <data value={service.p95_response_time_ms ?? ''}>{milliseconds(service.p95_response_time_ms)}</data>
      </td>
      <td class="figure cpu" data-label="CPU">
        <Spark values={valuesOf(seriesNamed(cpu, name))} colour="cpu" />
        {load(service.cpu_usage)}
      </td>
      <td class="figure" data-label="Memory">
        {bytes(service.memory_usage)}
      </td>
      <td class="figure" data-label="Pool">
        {pool.active === null ? '–' : `${pool.active} of ${pool.max ?? '?'}`}
      </td>
      <td class="figure" data-label="Last seen" title={dayAndTime(seenMs)}>
        {ago(seenMs, Date.now())}
      </td>
    </tr>
  );
}
