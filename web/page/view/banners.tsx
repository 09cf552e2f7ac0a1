import type { OperationalStatus } from '../model/answers.js';
import { timeWithSeconds } from '../model/times.js';
import type { Trouble } from '../state/store.js';
import { Icon } from './icons.js';

interface TroubleProps {
  readonly trouble: Trouble;
  /** When the numbers that are shown were answered. */
  readonly shownSince: string | undefined;
  retry(): void;
}

/** Nothing new comes. */
export function TroubleBanner({ trouble, shownSince, retry }: TroubleProps) {
  const isAway = trouble.kind === 'away';
  return (
    <div class="banner bad" role="alert" data-state={trouble.kind}>
      <Icon name="alert" />
      <p>
        <b>{isAway ? 'The service cannot be reached.' : 'The service cannot answer.'}</b> {trouble.detail}{' '}
        {shownSince !== undefined && `These numbers are of ${timeWithSeconds(Date.parse(shownSince))}. `}
        Trying again by itself.
      </p>
      <button type="button" onClick={retry}>
        Try now
      </button>
    </div>
  );
}

/** Everything is answered, but not as it should be. */
export function DegradedBanner({
  status,
  degraded,
}: {
  readonly status: OperationalStatus | null;
  readonly degraded: boolean;
}) {
  const away = Object.entries(status?.components ?? {})
    .filter(([, { status: is }]) => is === 'down')
    .map(([name]) => COMPONENT_NAMES[name] ?? name);
  const halted = (status?.projections ?? []).filter(({ state }) => state === 'halted' || state === 'ahead_of_log');
  if (!degraded && away.length === 0 && halted.length === 0) return null;
  return (
    <div class="banner warn" data-state="degraded">
      <Icon name="alert" />
      <p>
        {away.length > 0 && <b>Degraded: {away.join(', ')} away. </b>}
        {halted.length > 0 && <b>Halted: {halted.map(({ name }) => name).join(', ')}. </b>}
        {away.length === 0 && halted.length === 0 && <b>Degraded. </b>}
        {degraded &&
          !away.includes('Postgres') &&
          'Redis cannot be asked: the numbers come from Postgres, and are right.'}
        {halted.map(({ name, reason }) => (reason === null ? '' : `${name}: ${reason}. `))}
        {away.includes('NATS') && 'No event can be taken meanwhile; what was taken is kept.'}
      </p>
    </div>
  );
}

export const COMPONENT_NAMES: Readonly<Record<string, string>> = { nats: 'NATS', postgres: 'Postgres', redis: 'Redis' };
