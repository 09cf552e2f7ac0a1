import { useState } from 'preact/hooks';
import type { AlertEntry, SilenceEntry } from '../model/answers.js';
import { ago } from '../model/format.js';
import { dayAndTime } from '../model/times.js';
import type { Api, Outcome } from '../state/api.js';
import type { Page } from '../state/page.js';
import { Icon } from './icons.js';

interface Props {
  readonly page: Page;
  readonly alert: AlertEntry;
  readonly silences: readonly SilenceEntry[];
}

const HOUR_MS = 3_600_000;
const LENGTHS = [
  { name: '1 hour', ms: HOUR_MS },
  { name: '4 hours', ms: 4 * HOUR_MS },
  { name: '1 day', ms: 24 * HOUR_MS },
  { name: '1 week', ms: 168 * HOUR_MS },
  { name: 'until it has resolved', ms: undefined },
] as const;

/** Says that somebody looks after an alert, and holds back its notices for a while. */
export function AlertActions({ page, alert, silences }: Props) {
  const [isOpen, setOpen] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const act = async (action: (api: Api) => Promise<Outcome<unknown>>): Promise<void> => {
    setBusy(true);
    const wrong = await page.act(action);
    setProblem(wrong);
    setOpen((open) => open && wrong !== undefined);
    setBusy(false);
  };
  const held = silences.filter(({ id }) => alert.silenced_by.includes(id));
  return (
    <>
      <Done alert={alert} />
      {held.map((silence) => (
        <p key={silence.id} class="done">
          <Icon name="silent" />
          <span>
            Silenced by {silence.by}{' '}
            {silence.until === null ? 'until it has resolved' : `until ${dayAndTime(Date.parse(silence.until))}`}
            {silence.comment !== '' && `: ${silence.comment}`}
          </span>
          <button
            type="button"
            class="link"
            disabled={isBusy}
            onClick={() => act((api) => api.delete(`/metrics/alerts/silences/${encodeURIComponent(silence.id)}`))}
          >
            End
          </button>
        </p>
      ))}
      <div class="buttons">
        {alert.acknowledged === null && (
          <button
            type="button"
            disabled={isBusy}
            onClick={() => act((api) => api.post(`/metrics/alerts/${encodeURIComponent(alert.id)}/ack`, {}))}
          >
            <Icon name="check" /> Acknowledge
          </button>
        )}
        {held.length === 0 && (
          <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            <Icon name="silent" /> Silence
          </button>
        )}
      </div>
      {isOpen && held.length === 0 && <SilenceForm alert={alert} isBusy={isBusy} act={act} />}
      {problem !== undefined && (
        <p class="refused" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}

function Done({ alert: { acknowledged } }: Pick<Props, 'alert'>) {
  if (acknowledged === null) return null;
  return (
    <p class="done">
      <Icon name="check" />
      <span>
        Acknowledged by {acknowledged.by}{' '}
        <time dateTime={acknowledged.at}>{ago(Date.parse(acknowledged.at), Date.now())}</time>
        {acknowledged.comment !== '' && `: ${acknowledged.comment}`}
      </span>
    </p>
  );
}

interface FormProps {
  readonly alert: AlertEntry;
  readonly isBusy: boolean;
  act(action: (api: Api) => Promise<Outcome<unknown>>): Promise<void>;
}

function SilenceForm({ alert, isBusy, act }: FormProps) {
  const [place, setPlace] = useState(0);
  const [comment, setComment] = useState('');
  const submit = (): Promise<void> => {
    const ms = LENGTHS[place]?.ms;
    const matchers = { alertname: alert.name, ...alert.labels };
    const until = ms === undefined ? { until_resolved: true } : { until: new Date(Date.now() + ms).toISOString() };
    return act((api) => api.post('/metrics/alerts/silences', { matchers, ...until, comment }));
  };
  return (
    <form
      class="silence"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <label>
        For
        <select value={place} onChange={({ currentTarget }) => setPlace(Number(currentTarget.value))}>
          {LENGTHS.map(({ name }, index) => (
            <option key={name} value={index}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Why
        <input
          type="text"
          maxLength={500}
          placeholder="deploying …"
          value={comment}
          onInput={({ currentTarget }) => setComment(currentTarget.value)}
        />
      </label>
      <button type="submit" class="primary" disabled={isBusy}>
        Silence
      </button>
    </form>
  );
}
