import type { Selection } from '../model/ranges.js';
import { Api, type Outcome } from './api.js';
import { askForPage } from './ask.js';
import { followChanges, rest } from './change-stream.js';
import type { PageData, PageState, Store, Trouble, View } from './store.js';

/** Two rounds begin at least so far apart, or four times as long as the last one took where that is longer. */
const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 10_000;
const PAUSE_FACTOR = 4;
/** Also without a change something moves: times, rates, and how far the projections are. */
const LIVE_INTERVAL_MS = 15_000;
const POLL_INTERVAL_MS = 5_000;
const FIRST_RETRY_MS = 2_000;
const MAX_RETRY_MS = 15_000;

/**
 * Keeps the store's view up to date with one token: asks once a change is told, and at intervals besides; one round at a
 * time. A page that nobody sees does not ask.
 */
export class Refresher {
  readonly #ended = new AbortController();
  /** Ends the present pause. */
  #wake: () => void = () => undefined;
  /** Ends the present round and its pause: it answers a selection that is not wanted any more. */
  #round = new AbortController();
  #changed = false;
  #retryMs = FIRST_RETRY_MS;
  readonly api: Api;

  constructor(
    token: string,
    private readonly store: Store<PageState>,
  ) {
    this.api = new Api(token, this.#ended.signal);
  }

  start(): void {
    document.addEventListener('visibilitychange', this.#seen, { signal: this.#ended.signal });
    void this.#run();
    const listener = {
      changed: () => {
        this.#changed = true;
        this.#wake();
      },
      connected: (isConnected: boolean) => this.store.set({ updates: isConnected ? 'live' : 'polling' }),
    };
    void followChanges(this.api.token, listener, this.#ended.signal);
  }

  stop(): void {
    this.#ended.abort();
    this.#round.abort();
  }

  /** Asks at once, with the selection as it is now. */
  refresh(): void {
    this.#round.abort();
  }

  /** Asks at once, and again when what was just done has come through the log. */
  refreshTwice(): void {
    this.refresh();
    void rest(MIN_PAUSE_MS, this.#ended.signal).then(() => this.refresh());
  }

  readonly #seen = (): void => {
    if (!document.hidden) this.#wake();
  };

  async #run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      this.#round = new AbortController();
      this.#changed = false;
      const { signal } = this.#round;
      const startMs = performance.now();
      const { selection } = this.store.get();
      try {
        const api = new Api(this.api.token, AbortSignal.any([signal, this.#ended.signal]));
        const outcome = await askForPage(api, selection);
        if (signal.aborted || this.#ended.signal.aborted) continue;
        this.store.set({ view: this.#viewOf(outcome, selection), isChanging: false });
        if (outcome.kind === 'unauthorized') return this.stop();
        await this.#pause(outcome.kind, performance.now() - startMs, signal);
      } catch {
        if (signal.aborted || this.#ended.signal.aborted) continue;
        // Something between us and the service answered, or a service that is older: it may be another next time.
        const outcome = { kind: 'unavailable', detail: 'What it answers is not understood.' } as const;
        this.store.set({ view: this.#viewOf(outcome, selection), isChanging: false });
        await this.#pause(outcome.kind, performance.now() - startMs, signal);
      }
    }
  }

  /** Waits until it is time to ask again. */
  async #pause(kind: Outcome<PageData>['kind'], tookMs: number, signal: AbortSignal): Promise<void> {
    if (kind === 'away' || kind === 'unavailable') {
      const waitMs = this.#retryMs;
      this.#retryMs = Math.min(MAX_RETRY_MS, waitMs * 2);
      return await rest(waitMs, signal);
    }
    this.#retryMs = FIRST_RETRY_MS;
    await rest(Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, tookMs * PAUSE_FACTOR)), signal);
    const intervalMs = this.store.get().updates === 'live' ? LIVE_INTERVAL_MS : POLL_INTERVAL_MS;
    if (!this.#changed) await this.#restUntilWoken(intervalMs, signal);
    while (document.hidden && !signal.aborted) await this.#restUntilWoken(undefined, signal);
  }

  /** @param boundMs undefined: for as long as nothing happens */
  async #restUntilWoken(boundMs: number | undefined, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await rest(boundMs ?? 2 ** 31 - 1, AbortSignal.any([woken.signal, signal]));
    this.#wake = () => undefined;
  }

  #viewOf(outcome: Outcome<PageData>, selection: Selection): View {
    switch (outcome.kind) {
      case 'ok':
        return { kind: 'ready', data: outcome.value };
      case 'unauthorized':
        return { kind: 'wrong_token', detail: outcome.detail };
      case 'refused':
        return { kind: 'refused', detail: outcome.detail };
      case 'away':
      case 'unavailable':
        return inTrouble(this.store.get().view, outcome, selection);
    }
  }
}

/** What was shown goes on being shown, as far as it is what was asked for. */
function inTrouble(view: View, { kind, detail }: Pick<Trouble, 'kind' | 'detail'>, selection: Selection): View {
  const sinceMs = 'trouble' in view ? view.trouble.sinceMs : Date.now();
  const trouble = { kind, detail, sinceMs };
  const data = view.kind === 'ready' || view.kind === 'stale' ? view.data : undefined;
  return data === undefined || data.selection !== selection
    ? { kind: 'unreachable', trouble }
    : { kind: 'stale', data, trouble };
}
