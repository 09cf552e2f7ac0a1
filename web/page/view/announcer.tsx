import { plural } from '../model/format.js';
import type { PageState } from '../state/store.js';

/**
 * Says to screen readers what has become different: that the service is away or back, and how many alerts fire. Numbers that
 * change every second are not read out.
 */
export function Announcer({ state }: { readonly state: PageState }) {
  return (
    <p class="unseen" role="status">
      {textOf(state)}
    </p>
  );
}

function textOf({ view, isChanging }: PageState): string {
  switch (view.kind) {
    case 'loading':
      return 'Loading';
    case 'unreachable':
      return 'The service cannot be reached';
    case 'stale':
      return 'The service cannot be reached; the numbers are old';
    case 'ready': {
      if (isChanging) return 'Loading';
      const { alerts, summary } = view.data.dashboard;
      const degraded = summary.degraded ? '. Redis is away' : '';
      return `Up to date. ${alerts.length === 0 ? 'No alert fires' : `${plural(alerts.length, 'alert')} firing`}${degraded}`;
    }
    default:
      return '';
  }
}
