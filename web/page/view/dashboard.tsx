import { plural } from '../model/format.js';
import { between } from '../model/ranges.js';
import type { Page } from '../state/page.js';
import type { PageData } from '../state/store.js';
import { Alerts } from './alerts.js';
import { DegradedBanner } from './banners.js';
import { ActiveUsers, EventTypes, RequestsAndErrors, ResponseTimes } from './charts.js';
import { FirstEvent } from './first-event.js';
import { Business, Headlines } from './headlines.js';
import { Pipeline } from './pipeline.js';
import { Services } from './services.js';
import { AfterPaint } from './skeleton.js';
import { TopEndpoints, TopFeatures } from './top.js';

interface Props {
  readonly page: Page;
  readonly data: PageData;
  /** What is shown is not what is wanted now. */
  readonly isDimmed: boolean;
}

/** All numbers of a selection. */
export function Dashboard({ page, data, isDimmed }: Props) {
  const { dashboard, status, selection } = data;
  const degraded = <DegradedBanner status={status} degraded={dashboard.summary.degraded} />;
  if (hasNothing(data)) {
    return (
      <>
        {degraded}
        <FirstEvent token={page.token} />
        <Pipeline status={status} />
      </>
    );
  }
  const zoom = (fromMs: number, toMs: number): void => {
    const range = between(fromMs, toMs);
    if (range !== undefined) page.chooseRange(range);
  };
  // Users report themselves to the platform, not to one of its services.
  const ofAll = selection.service === undefined ? undefined : 'all services';
  return (
    <div class={isDimmed ? 'dashboard dimmed' : 'dashboard'}>
      {degraded}
      <Headlines data={data} />
      <AfterPaint>
        <div class="grid">
          <RequestsAndErrors dashboard={dashboard} zoom={zoom} />
          <Alerts page={page} data={data} />
          <ResponseTimes dashboard={dashboard} zoom={zoom} />
          <TopEndpoints endpoints={dashboard.top.endpoints} showsService={selection.service === undefined} />
        </div>
        <Services
          services={dashboard.services}
          cpu={dashboard.series.cpu_usage}
          note={plural(dashboard.services.length, 'service')}
          choose={(name) => page.chooseService(name)}
        />
        <div class="grid">
          <ActiveUsers dashboard={dashboard} zoom={zoom} note={ofAll} />
          <TopFeatures features={dashboard.top.features} note={ofAll} />
          <EventTypes dashboard={dashboard} zoom={zoom} note={ofAll} />
          <Business dashboard={dashboard} note={ofAll} />
        </div>
        <Pipeline status={status} />
      </AfterPaint>
    </div>
  );
}

/** Whether no event has ever come. */
function hasNothing({ dashboard, status }: PageData): boolean {
  const { summary, services, top } = dashboard;
  const isEmpty = services.length === 0 && summary.api.requests === 0 && top.event_types.length === 0;
  const log = status?.streams.find(({ name }) => name === 'METRICS');
  return isEmpty && (log === undefined || log.last_sequence === 0);
}
