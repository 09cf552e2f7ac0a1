import { useEffect, useErrorBoundary } from 'preact/hooks';
import type { Page } from '../state/page.js';
import { type PageState, useStore } from '../state/store.js';
import { Announcer } from './announcer.js';
import { TroubleBanner } from './banners.js';
import { Dashboard } from './dashboard.js';
import { Header } from './header.js';
import { Skeleton } from './skeleton.js';
import { TokenGate } from './token-gate.js';

/** The page: a header, and below it what the state is. */
export function App({ page }: { readonly page: Page }) {
  const state = useStore(page.store);
  useTitle(state);
  const { view } = state;
  if (view.kind === 'no_token' || view.kind === 'wrong_token') {
    return <TokenGate page={page} refused={view.kind === 'wrong_token' ? view.detail : undefined} />;
  }
  return (
    <>
      <a class="skip" href="#content">
        Skip to the numbers
      </a>
      <Header page={page} state={state} />
      <main id="content" tabIndex={-1} aria-busy={state.isChanging}>
        <Content page={page} state={state} />
      </main>
      <Announcer state={state} />
    </>
  );
}

function Content({ page, state }: { readonly page: Page; readonly state: PageState }) {
  const { view } = state;
  // An answer of another shape than this page knows, as one of a newer service may be.
  const [broken, mend] = useErrorBoundary((error) => console.error(error));
  if (broken !== undefined) {
    return (
      <div class="notice" role="alert" data-state="broken">
        <h2>This cannot be shown</h2>
        <p>The service answered what this page does not understand. A reload brings the page that belongs to it.</p>
        <button type="button" onClick={() => mend()}>
          Try again
        </button>
      </div>
    );
  }
  switch (view.kind) {
    case 'loading':
      return <Skeleton />;
    case 'unreachable':
      return (
        <>
          <TroubleBanner trouble={view.trouble} shownSince={undefined} retry={() => page.refresh()} />
          <Skeleton isStill />
        </>
      );
    case 'refused':
      return (
        <div class="notice" role="alert">
          <h2>This cannot be shown</h2>
          <p>{view.detail}</p>
          <button type="button" onClick={() => page.chooseRange({ kind: 'last', preset: '24h' })}>
            Show the last 24 hours
          </button>
        </div>
      );
    case 'ready':
      return <Dashboard page={page} data={view.data} isDimmed={state.isChanging} />;
    case 'stale':
      return (
        <>
          <TroubleBanner
            trouble={view.trouble}
            shownSince={view.data.dashboard.generated_at}
            retry={() => page.refresh()}
          />
          <Dashboard page={page} data={view.data} isDimmed={true} />
        </>
      );
    default:
      return null;
  }
}

/** Tells in the browser's tab what somebody who looks elsewhere should know. */
function useTitle({ view }: PageState): void {
  const firing = view.kind === 'ready' ? view.data.dashboard.alerts.length : 0;
  useEffect(() => {
    document.title = firing > 0 ? `(${firing}) metrics-service` : 'metrics-service';
  }, [firing]);
}
