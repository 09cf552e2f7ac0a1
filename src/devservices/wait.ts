/** Resolves after `ms` milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Asks `check` every `intervalMs` until it answers something other than undefined or false.
 * Answers undefined when `boundMs` has passed without one.
 */
export async function poll<T>(
  check: () => Promise<T | false | undefined> | T | false | undefined,
  boundMs: number,
  intervalMs = 25,
): Promise<T | undefined> {
  const deadlineMs = performance.now() + boundMs;
  for (;;) {
    const found = await check();
    if (found !== undefined && found !== false) return found;
    if (performance.now() + intervalMs > deadlineMs) return undefined;
    await sleep(intervalMs);
  }
}
