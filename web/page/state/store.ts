import { useLayoutEffect, useState } from 'preact/hooks';
import type { AlertsAnswer, Dashboard, OperationalStatus, SilencesAnswer } from '../model/answers.js';
import type { Selection } from '../model/ranges.js';

/** Everything that the page shows of one moment. */
export interface PageData {
  readonly dashboard: Dashboard;
  /** The selection that it answers. */
  readonly selection: Selection;
  /** Null where that question was not answered; the numbers do not wait for it. */
  readonly alerts: AlertsAnswer | null;
  readonly silences: SilencesAnswer | null;
  readonly status: OperationalStatus | null;
  /** All services, whatever the filter. */
  readonly serviceNames: readonly string[];
}

/** Why nothing new comes. */
export interface Trouble {
  /** away: nobody answers; unavailable: the service answers that it cannot. */
  readonly kind: 'away' | 'unavailable';
  readonly detail: string;
  readonly sinceMs: number;
}

export type View =
  | { readonly kind: 'no_token' }
  | { readonly kind: 'wrong_token'; readonly detail: string }
  | { readonly kind: 'loading' }
  /** The service does not take the question, for example as it keeps nothing that is so old. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** Nothing to show yet, and nothing comes. */
  | { readonly kind: 'unreachable'; readonly trouble: Trouble }
  | { readonly kind: 'ready'; readonly data: PageData }
  /** What is shown is old. */
  | { readonly kind: 'stale'; readonly data: PageData; readonly trouble: Trouble };

export interface PageState {
  readonly view: View;
  readonly selection: Selection;
  /** A selection was made that is not answered yet. */
  readonly isChanging: boolean;
  /** live: told of each change; polling: asks again and again. */
  readonly updates: 'live' | 'polling';
}

/** One state, and who wants to know of it. */
export class Store<T> {
  readonly #listeners = new Set<() => void>();

  constructor(private state: T) {}

  get(): T {
    return this.state;
  }

  set(change: Partial<T>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The store's state; the component is drawn again when it changes. */
export function useStore<T>(store: Store<T>): T {
  const [state, setState] = useState(store.get());
  useLayoutEffect(() => {
    setState(store.get());
    return store.subscribe(() => setState(store.get()));
  }, [store]);
  return state;
}
