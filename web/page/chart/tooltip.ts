import type uPlot from 'uplot';
import { intervalLabel } from '../model/times.js';
import type { ChartProps } from './chart.js';

const GAP_PX = 14;

/** The values under a chart's cursor. It is made of text alone: names come from publishers. */
export class Tooltip {
  readonly #box = document.createElement('div');
  /** Cursors of all charts move together, but only the one that is pointed at tells its values. */
  isShown = false;

  constructor(
    private readonly frame: HTMLElement,
    private readonly props: () => ChartProps,
  ) {
    this.#box.className = 'tooltip';
    this.#box.hidden = true;
    this.#box.setAttribute('aria-live', 'polite');
    frame.append(this.#box);
    frame.addEventListener('pointerenter', this.#enter);
    frame.addEventListener('pointerleave', this.#exit);
  }

  remove(): void {
    this.frame.removeEventListener('pointerenter', this.#enter);
    this.frame.removeEventListener('pointerleave', this.#exit);
    this.#box.remove();
  }

  hide(): void {
    this.isShown = false;
    this.#box.hidden = true;
  }

  follow(plot: uPlot): void {
    const { idx, left } = plot.cursor;
    if (!this.isShown || typeof idx !== 'number' || left === undefined || left < 0) {
      this.#box.hidden = true;
      return;
    }
    this.#box.replaceChildren(...this.#lines(idx));
    this.#box.hidden = false;
    const at = left + plot.bbox.left / devicePixelRatio;
    const width = this.#box.offsetWidth;
    // On the other side of the cursor where there is no room.
    const x = at + GAP_PX + width > this.frame.clientWidth ? at - GAP_PX - width : at + GAP_PX;
    this.#box.style.transform = `translate(${Math.max(0, x)}px, ${GAP_PX}px)`;
  }

  readonly #enter = (): void => {
    this.isShown = true;
  };

  readonly #exit = (): void => this.hide();

  #lines(place: number): HTMLElement[] {
    const { starts, intervalSeconds, answeredAt, drawn, format } = this.props();
    const start = starts[place] ?? 0;
    const isRunning = start + intervalSeconds > answeredAt;
    const head = make('p', `${intervalLabel(start * 1_000, intervalSeconds)}${isRunning ? ', so far' : ''}`);
    const rows = drawn.map(({ name, values, colour }) => {
      const row = make('div', '');
      const swatch = make('i', '');
      swatch.className = `swatch ${colour}`;
      row.append(swatch, make('span', name), make('b', format(values[place] ?? null)));
      return row;
    });
    return [head, ...rows];
  }
}

function make(tag: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
