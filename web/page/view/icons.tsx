const PATHS = {
  alert: 'M12 9v4m0 4h.01M10.3 3.9 2.4 17.6A2 2 0 0 0 4.1 20.6h15.8a2 2 0 0 0 1.7-3L13.7 3.9a2 2 0 0 0-3.4 0Z',
  check: 'M20 6 9 17l-5-5',
  bell: 'M6 9a6 6 0 0 1 12 0c0 6 2.5 7 2.5 7h-17S6 15 6 9m4 11a2.3 2.3 0 0 0 4 0',
  silent: 'M11 5 6 9H3v6h3l5 4V5Zm11 4-6 6m0-6 6 6',
  table: 'M4 5h16v14H4zM4 10h16M4 14.5h16M10 10v9',
  chart: 'M5 20v-7m7 7V5m7 15v-10',
  calendar: 'M5 6h14v14H5zM5 10.5h14M9 3.5V7m6-3.5V7',
  system: 'M3.5 5h17v11.5h-17zM9 20.5h6M12 16.5v4',
  light:
    'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8Zm0-6v2m0 16v2M4.9 4.9l1.4 1.4m11.4 11.4 1.4 1.4M2 12h2m16 0h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4',
  dark: 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z',
  close: 'M6 6l12 12M18 6 6 18',
  out: 'M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9',
  book: 'M5 4.5h11a3 3 0 0 1 3 3v12H8a3 3 0 0 1-3-3zM5 16.5a3 3 0 0 1 3-3h11',
} as const;
export type IconName = keyof typeof PATHS;

/** An icon beside text, or in a button that has a name of its own. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <rect x="7" y="17" width="4" height="8" rx="1.5" />
      <rect x="14" y="11" width="4" height="14" rx="1.5" />
      <rect x="21" y="6" width="4" height="19" rx="1.5" />
    </svg>
  );
}
