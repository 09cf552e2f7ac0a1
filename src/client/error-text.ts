/** What was thrown, in words. Anything can be thrown, also what has no text; this itself never throws. */
export function errorText(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return 'something without a text was thrown';
  }
}
