import { plural } from '../model/format.js';
import { timeWithSeconds } from '../model/times.js';
import type { Page } from '../state/page.js';
import type { PageState } from '../state/store.js';
import { Logo } from './icons.js';
import { Menu } from './menu.js';
import { RangePicker } from './range-picker.js';

/** What is looked at, and whether it is up to date. */
export function Header({ page, state }: { readonly page: Page; readonly state: PageState }) {
  const { view, selection } = state;
  const data = view.kind === 'ready' || view.kind === 'stale' ? view.data : undefined;
  const names = new Set([
    ...(data?.serviceNames ?? []),
    ...(selection.service === undefined ? [] : [selection.service]),
  ]);
  const firing = data?.dashboard.alerts.length ?? 0;
  return (
    <header class="top">
      <div class="brand">
        <Logo />
        <h1>metrics-service</h1>
        <Freshness state={state} />
        {firing > 0 && (
          <a class="firing" href="#alerts-title">
            {plural(firing, 'alert')} firing
          </a>
        )}
      </div>
      <div class="controls">
        <label class="unseen" for="service">
          Service
        </label>
        <select
          id="service"
          value={selection.service ?? ''}
          onChange={({ currentTarget }) =>
            page.chooseService(currentTarget.value === '' ? undefined : currentTarget.value)
          }
        >
          <option value="">All services</option>
          {[...names].map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        <RangePicker page={page} range={selection.range} />
        <Menu page={page} />
      </div>
    </header>
  );
}

function Freshness({ state: { view, updates, isChanging } }: { readonly state: PageState }) {
  if (view.kind === 'loading' || isChanging) return <span class="freshness">Loading …</span>;
  if (view.kind === 'stale' || view.kind === 'unreachable') return <span class="freshness bad">Offline</span>;
  if (view.kind !== 'ready') return null;
  const at = Date.parse(view.data.dashboard.generated_at);
  const title = updates === 'live' ? 'The service tells of each change' : 'Asked for every few seconds';
  return (
    <span class={`freshness ${updates}`} title={title}>
      {updates === 'live' ? 'Live' : 'Polling'}
      <time dateTime={view.data.dashboard.generated_at}>{timeWithSeconds(at)}</time>
    </span>
  );
}
