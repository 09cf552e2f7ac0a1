import { useEffect, useRef } from 'preact/hooks';
import { dayAndTime, timeZone } from '../model/times.js';
import { readClaims } from '../model/token.js';
import type { Page } from '../state/page.js';
import { THEMES, useTheme } from '../state/theme.js';
import { Icon } from './icons.js';

/** Colours, the API's documents, and whose token it is. */
export function Menu({ page }: { readonly page: Page }) {
  const { theme, isDark, choose } = useTheme();
  const details = useRef<HTMLDetailsElement>(null);
  useClosing(details);
  const { subject, expiresAtMs } = readClaims(page.token);
  return (
    <details class="menu" ref={details}>
      <summary aria-label="Settings" title="Settings">
        <Icon name={isDark ? 'dark' : 'light'} />
      </summary>
      <div class="sheet">
        <fieldset class="segments">
          <legend>Colours</legend>
          {THEMES.map((each) => (
            <button key={each} type="button" aria-pressed={theme === each} onClick={() => choose(each)}>
              <Icon name={each} />
              {each}
            </button>
          ))}
        </fieldset>
        <nav aria-label="Documents">
          <a href="/docs">
            <Icon name="book" /> API
          </a>
          <a href="/asyncapi">
            <Icon name="book" /> Events
          </a>
        </nav>
        <p class="soft">
          {subject !== undefined && (
            <>
              Token of <b>{subject}</b>
              <br />
            </>
          )}
          {expiresAtMs !== undefined && (
            <>
              good until {dayAndTime(expiresAtMs)}
              <br />
            </>
          )}
          Times are in {timeZone()}
        </p>
        <button type="button" onClick={() => page.signOut()}>
          <Icon name="out" /> Forget the token
        </button>
      </div>
    </details>
  );
}

/** Closes with Escape, and by a click anywhere else. */
function useClosing(details: { readonly current: HTMLDetailsElement | null }): void {
  useEffect(() => {
    const close = (event: Event): void => {
      const open = details.current;
      if (open === null || !open.open) return;
      if (event instanceof KeyboardEvent) {
        if (event.key !== 'Escape') return;
        open.open = false;
        open.querySelector('summary')?.focus();
      } else if (event.target instanceof Node && !open.contains(event.target)) open.open = false;
    };
    document.addEventListener('keydown', close);
    document.addEventListener('pointerdown', close);
    return () => {
      document.removeEventListener('keydown', close);
      document.removeEventListener('pointerdown', close);
    };
  }, [details]);
}
