import { DEFAULT_SELECTION, parseSelection, type Range, type Selection, writeSelection } from '../model/ranges.js';
import { isSendable } from '../model/token.js';
import type { Api, Outcome } from './api.js';
import { forgetToken, keepToken, keptToken, takeTokenOfAddress } from './kept-token.js';
import { Refresher } from './refresher.js';
import { type PageState, Store } from './store.js';

/** Everything that can be done on the page. */
export class Page {
  readonly store = new Store<PageState>({
    view: { kind: 'no_token' },
    selection: DEFAULT_SELECTION,
    isChanging: false,
    updates: 'polling',
  });
  #refresher: Refresher | undefined;

  /** Reads the address, and begins where there is a token. */
  start(): void {
    const given = takeTokenOfAddress();
    this.store.set({ selection: parseSelection(location.search) });
    window.addEventListener('popstate', () => this.#show(parseSelection(location.search)));
    const token = given ?? keptToken();
    if (token !== undefined) this.signIn(token, false, given === undefined);
  }

  get token(): string {
    return this.#refresher?.api.token ?? '';
  }

  /** @param isKept the token is kept already, in whichever place */
  signIn(token: string, onDevice: boolean, isKept = false): void {
    this.#refresher?.stop();
    if (!isSendable(token)) {
      this.store.set({ view: { kind: 'wrong_token', detail: 'A token has three parts of letters and digits.' } });
      return;
    }
    if (!isKept) keepToken(token, onDevice);
    this.store.set({ view: { kind: 'loading' }, updates: 'polling' });
    this.#refresher = new Refresher(token, this.store);
    this.#refresher.start();
  }

  signOut(): void {
    this.#refresher?.stop();
    this.#refresher = undefined;
    forgetToken();
    this.store.set({ view: { kind: 'no_token' } });
  }

  chooseRange(range: Range): void {
    this.#select({ ...this.store.get().selection, range });
  }

  chooseService(service: string | undefined): void {
    this.#select({ ...this.store.get().selection, service });
  }

  refresh(): void {
    this.#refresher?.refresh();
  }

  /** Does something about alerts, and shows what came of it. @returns what is wrong; undefined where nothing is */
  async act(action: (api: Api) => Promise<Outcome<unknown>>): Promise<string | undefined> {
    if (this.#refresher === undefined) return 'There is no token.';
    const outcome = await action(this.#refresher.api);
    this.#refresher.refreshTwice();
    return outcome.kind === 'ok' ? undefined : outcome.detail;
  }

  #select(selection: Selection): void {
    history.pushState(null, '', location.pathname + writeSelection(selection));
    this.#show(selection);
  }

  #show(selection: Selection): void {
    this.store.set({ selection, isChanging: true });
    this.refresh();
  }
}
