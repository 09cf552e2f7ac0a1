const MAX_FEATURES = 50;

/** The features that are used most, by uses and then by name, whatever order a source gave them in. */
export function topFeatures<T extends { readonly feature: string; readonly uses: number }>(
  features: readonly T[],
): T[] {
  return [...features].sort((a, b) => b.uses - a.uses || (a.feature < b.feature ? -1 : 1)).slice(0, MAX_FEATURES);
}
