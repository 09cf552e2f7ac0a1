import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Icon } from './icons.js';

interface PanelProps {
  /** Of the heading; unique on the page. */
  readonly id: string;
  readonly title: string;
  /** Beside the title, softly. */
  readonly note?: string | undefined;
  readonly width?: 'wide' | 'full';
  readonly children: ComponentChildren;
  /** The same numbers as a table, for who would rather read. */
  readonly table?: (() => ComponentChildren) | undefined;
}

/** A part of the page with a heading. */
export function Panel({ id, title, note, width, children, table }: PanelProps) {
  const [isTable, setTable] = useState(false);
  return (
    <section class={`panel ${width ?? ''}`} aria-labelledby={`${id}-title`} id={id}>
      <header>
        <h2 id={`${id}-title`}>{title}</h2>
        {note !== undefined && <span class="soft">{note}</span>}
        {table !== undefined && (
          <button
            type="button"
            class="quiet"
            aria-pressed={isTable}
            aria-label={`${title} as a table`}
            title={isTable ? 'As a chart' : 'As a table'}
            onClick={() => setTable(!isTable)}
          >
            <Icon name={isTable ? 'chart' : 'table'} />
          </button>
        )}
      </header>
      {isTable && table !== undefined ? table() : children}
    </section>
  );
}

/** Nothing to show in a panel. */
export function Nothing({ children }: { readonly children: ComponentChildren }) {
  return <p class="nothing">{children}</p>;
}
