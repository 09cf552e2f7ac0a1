// Without search, whose worker would have to be allowed to run code made of text; with the fonts that the reader has.
const font = 'system-ui, sans-serif';
Redoc.init(
  '/openapi.json',
  {
    disableSearch: true,
    theme: {
      typography: { fontFamily: font, headings: { fontFamily: font }, code: { fontFamily: 'ui-monospace, monospace' } },
    },
  },
  document.getElementById('api'),
);
