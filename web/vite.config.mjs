// The page: web/page becomes dist/page. `npm run page` serves it with reloading, beside a service on port 8005.
import { join } from 'node:path';
import { defineConfig } from 'vite';

const SERVICE = process.env.METRICS_URL ?? 'http://localhost:8005';

export default defineConfig({
  root: join(import.meta.dirname, 'page'),
  publicDir: false,
  build: {
    outDir: join(import.meta.dirname, '../dist/page'),
    emptyOutDir: true,
    target: ['chrome123', 'edge123', 'firefox120', 'safari17.5'],
    // Nothing is put into the page as data: what it loads comes from the service by name.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    // The licences of what is in the bundle ask to stand beside it.
    license: { fileName: 'licenses.md' },
  },
  server: { proxy: { '/metrics': SERVICE, '/health': SERVICE } },
});
