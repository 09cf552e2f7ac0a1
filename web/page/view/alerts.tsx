import type { AlertEntry } from '../model/answers.js';
import { ago, duration } from '../model/format.js';
import { dayAndTime } from '../model/times.js';
import type { Page } from '../state/page.js';
import type { PageData } from '../state/store.js';
import { AlertActions } from './alert-actions.js';
import { Icon } from './icons.js';
import { Nothing, Panel } from './panel.js';

const PAST_ALERTS = 6;

/** What fires, with what can be done about it; and what has fired in the range. */
export function Alerts({
  page,
  data: { alerts, silences, selection },
}: {
  readonly page: Page;
  readonly data: PageData;
}) {
  if (alerts === null) {
    return (
      <Panel id="alerts" title="Alerts">
        <Nothing>The alerts cannot be read at present</Nothing>
      </Panel>
    );
  }
  const wanted = alerts.alerts.filter(({ labels }) => isOf(labels, selection.service));
  const firing = wanted.filter(({ status }) => status === 'firing');
  const past = wanted.filter(({ status }) => status === 'resolved');
  return (
    <Panel id="alerts" title="Alerts" note={firing.length > 0 ? `${firing.length} firing` : undefined}>
      {firing.length === 0 && (
        <p class="calm">
          <Icon name="check" /> No alert fires
        </p>
      )}
      <ul class="alerts">
        {firing.map((alert) => (
          <li key={alert.id} class={`alert ${alert.severity}`} data-alert={alert.id}>
            <AlertHead alert={alert} />
            <p>{alert.summary}</p>
            <AlertActions page={page} alert={alert} silences={silences?.silences ?? []} />
          </li>
        ))}
      </ul>
      {past.length > 0 && (
        <>
          <h3 class="divider">Resolved in this range</h3>
          <ul class="past">
            {past.slice(0, PAST_ALERTS).map((alert) => (
              <li key={alert.id} title={alert.summary}>
                <span class="what">
                  {alert.name}
                  {alert.labels.service_name !== undefined && <span class="soft"> {alert.labels.service_name}</span>}
                </span>
                <span class="soft">{lasted(alert)}</span>
                <time dateTime={alert.starts_at} title={dayAndTime(Date.parse(alert.starts_at))}>
                  {ago(Date.parse(alert.starts_at), Date.now())}
                </time>
              </li>
            ))}
          </ul>
          {past.length > PAST_ALERTS && <p class="soft">and {past.length - PAST_ALERTS} before</p>}
        </>
      )}
    </Panel>
  );
}

function AlertHead({ alert }: { readonly alert: AlertEntry }) {
  const startsMs = Date.parse(alert.starts_at);
  return (
    <div class="head">
      <h3>{alert.name}</h3>
      <span class={`severity ${alert.severity}`}>{alert.severity}</span>
      <time dateTime={alert.starts_at} title={dayAndTime(startsMs)}>
        {ago(startsMs, Date.now())}
      </time>
    </div>
  );
}

/** An alert about no service in particular concerns each. */
function isOf(labels: AlertEntry['labels'], service: string | undefined): boolean {
  return service === undefined || (labels.service_name ?? service) === service;
}

function lasted({ starts_at: from, ends_at: to }: AlertEntry): string {
  return to === null ? '' : duration((Date.parse(to) - Date.parse(from)) / 1_000);
}
