import { useEffect, useRef, useState } from 'preact/hooks';
import { between, PRESET_NAMES, PRESETS, type Range, rangeName, SHORTEST_RANGE_MS } from '../model/ranges.js';
import type { Page } from '../state/page.js';
import { Icon } from './icons.js';

/** The usual ranges beside one another, and any other in a dialog. */
export function RangePicker({ page, range }: { readonly page: Page; readonly range: Range }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <fieldset class="segments">
        <legend class="unseen">Time range</legend>
        {PRESET_NAMES.map((preset) => (
          <button
            key={preset}
            type="button"
            aria-pressed={range.kind === 'last' && range.preset === preset}
            aria-label={PRESETS[preset].name}
            onClick={() => page.chooseRange({ kind: 'last', preset })}
          >
            {preset}
          </button>
        ))}
        <button
          type="button"
          aria-pressed={range.kind === 'between'}
          aria-haspopup="dialog"
          aria-label={range.kind === 'between' ? `Custom range: ${rangeName(range)}` : 'Custom range'}
          onClick={() => setOpen(true)}
        >
          <Icon name="calendar" />
          {range.kind === 'between' && <span>{rangeName(range)}</span>}
        </button>
      </fieldset>
      {isOpen && <CustomRange page={page} range={range} close={() => setOpen(false)} />}
    </>
  );
}

interface CustomProps {
  readonly page: Page;
  readonly range: Range;
  close(): void;
}

function CustomRange({ page, range, close }: CustomProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [from, setFrom] = useState(localText(edgeMs(range, 'from')));
  const [to, setTo] = useState(localText(edgeMs(range, 'to')));
  const chosen = between(Date.parse(from), Date.parse(to));
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="range-title" onClose={close}>
      <form
        method="dialog"
        onSubmit={() => {
          if (chosen !== undefined) page.chooseRange(chosen);
        }}
      >
        <h2 id="range-title">Custom range</h2>
        <label for="range-from">From</label>
        <input
          id="range-from"
          type="datetime-local"
          required
          value={from}
          onInput={(event) => setFrom(event.currentTarget.value)}
        />
        <label for="range-to">To</label>
        <input
          id="range-to"
          type="datetime-local"
          required
          value={to}
          onInput={(event) => setTo(event.currentTarget.value)}
        />
        <p class="soft">
          {chosen === undefined
            ? `The end must be at least ${SHORTEST_RANGE_MS / 60_000} minute after the beginning.`
            : 'In your time zone. Dragging over a chart chooses a range, too.'}
        </p>
        <div class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={chosen === undefined}>
            Show
          </button>
        </div>
      </form>
    </dialog>
  );
}

function edgeMs(range: Range, edge: 'from' | 'to'): number {
  if (range.kind === 'between') return edge === 'from' ? range.fromMs : range.toMs;
  return Date.now() - (edge === 'from' ? PRESETS[range.preset].seconds * 1_000 : 0);
}

/** As `datetime-local` takes it: the reader's time, without a zone. */
function localText(timeMs: number): string {
  const offsetMs = new Date(timeMs).getTimezoneOffset() * 60_000;
  return new Date(timeMs - offsetMs).toISOString().slice(0, 16);
}
