import { useEffect, useState } from 'preact/hooks';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEY = 'metrics-theme';
const dark = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();
let chosen = read();

/** What was chosen. `isDark` is what it comes to. */
export function useTheme(): { readonly theme: Theme; readonly isDark: boolean; choose(theme: Theme): void } {
  const [, redraw] = useState({});
  useEffect(() => {
    const listener = (): void => redraw({});
    listeners.add(listener);
    dark.addEventListener('change', listener);
    return () => {
      listeners.delete(listener);
      dark.removeEventListener('change', listener);
    };
  }, []);
  return { theme: chosen, isDark: chosen === 'system' ? dark.matches : chosen === 'dark', choose };
}

/** Puts the kept choice into force; called before anything is drawn. */
export function applyTheme(): void {
  if (chosen === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}

function choose(theme: Theme): void {
  chosen = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // A browser that keeps nothing: the choice lasts as long as the page.
  }
  applyTheme();
  for (const listener of listeners) listener();
}

function read(): Theme {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? 'system';
  } catch {
    return 'system';
  }
}
