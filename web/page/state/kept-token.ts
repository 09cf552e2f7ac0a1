const KEY = 'metrics-token';

/** `#token=…` is taken out of the address at once, so that it stays in no history and no picture of the screen. */
export function takeTokenOfAddress(): string | undefined {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given === null) return undefined;
  history.replaceState(null, '', location.pathname + location.search);
  return given.trim();
}

/** The token of this tab, or of this device where its owner chose so. */
export function keptToken(): string | undefined {
  return read(() => sessionStorage) ?? read(() => localStorage);
}

/** @param onDevice also for later, until it is forgotten */
export function keepToken(token: string, onDevice: boolean): void {
  forgetToken();
  try {
    (onDevice ? localStorage : sessionStorage).setItem(KEY, token);
  } catch {
    // A browser that keeps nothing: the token lasts as long as the page.
  }
}

export function forgetToken(): void {
  for (const storage of [() => sessionStorage, () => localStorage]) {
    try {
      storage().removeItem(KEY);
    } catch {
      // Nothing can have been kept either.
    }
  }
}

/** Even naming the storage throws where the browser keeps nothing. */
function read(storage: () => Storage): string | undefined {
  try {
    return storage().getItem(KEY) ?? undefined;
  } catch {
    return undefined; // A browser that keeps nothing.
  }
}
