// npm run pictures [folder [all]]: the page as it looks with a fortnight of the demo's six services, for docs/images and for
// whoever changes it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { appendUntilNow } from '../../src/demo/history.js';
import { minuteOf } from '../../src/demo/minute.js';
import { DEMO_SIZE } from '../../src/demo/play.js';
import { tellStory } from '../../src/demo/story.js';
import { findChromium, startChromium } from './chromium.js';
import { openLog } from './log.js';
import { sendAll, untilFolded, untilViewed } from './page-stage.js';
import { waitFor } from './servers.js';
import { startTestService, type TestService } from './service.js';

const WEEK_MS = 7 * 86_400_000;
const ALERT_TIMEOUT_MS = 300_000;

interface Picture extends BrowserContextOptions {
  readonly name: string;
  /** The page's query. */
  readonly query?: string;
  readonly isFullPage?: boolean;
}

const WIDE = { viewport: { width: 1360, height: 940 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

const PICTURES: readonly Picture[] = [
  { name: 'page-light', ...WIDE, colorScheme: 'light' },
  { name: 'page-dark', ...WIDE, colorScheme: 'dark', query: '?range=7d' },
  { name: 'page-phone', ...PHONE, colorScheme: 'light' },
];

/** Not for the documents, but to be looked at by whoever changes the page: `npm run pictures /tmp/look all`. */
const FURTHER: readonly Picture[] = [
  { name: 'full-light', ...WIDE, colorScheme: 'light', isFullPage: true },
  { name: 'full-dark', ...WIDE, colorScheme: 'dark', query: '?range=7d', isFullPage: true },
  { name: 'full-phone', ...PHONE, deviceScaleFactor: 1, colorScheme: 'dark', isFullPage: true },
  { name: 'one-service', ...WIDE, colorScheme: 'light', query: '?service=billing&range=7d', isFullPage: true },
  { name: 'a-quarter', ...WIDE, colorScheme: 'light', query: '?range=15m' },
];

async function open(browser: Browser, service: TestService, picture: Picture): Promise<Page> {
  const context = await browser.newContext({ timezoneId: 'Europe/Berlin', reducedMotion: 'reduce', ...picture });
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error(picture.name, error));
  page.on('console', (message) => {
    if (message.type() === 'error') console.error(picture.name, message.text());
  });
  const startMs = performance.now();
  await page.goto(`${service.client.url}/${picture.query ?? ''}#token=${service.client.token}`);
  await untilViewed(page);
  console.log(`${picture.name}: ${Math.round(performance.now() - startMs)} ms`);
  await page.waitForLoadState('load');
  await page.evaluate('document.fonts.ready');
  return page;
}

/** What `npm run demo` plays, from a time until now. */
async function playDemo(service: TestService, begunMs: number, fromMs: number): Promise<void> {
  const log = await openLog(service.servers.nats.url);
  await appendUntilNow(tellStory({ ...DEMO_SIZE, begunMs, startMs: begunMs }), minuteOf(fromMs), Date.now, {
    appender: log.appender,
    signal: new AbortController().signal,
    onAppended: async () => undefined,
  });
  await log.close();
}

async function main(): Promise<void> {
  const folder = process.argv[2] ?? 'docs/images';
  mkdirSync(folder, { recursive: true });
  const path = findChromium();
  if (path === undefined) throw new Error('No Chromium was found; CHROMIUM_PATH names one');
  const service = await startTestService({ ALERT_EVALUATION_INTERVAL: '1' });
  const browser = await startChromium(path);
  const shoot = async (picture: Picture): Promise<void> => {
    const page = await open(browser, service, picture);
    await page.screenshot({ path: join(folder, `${picture.name}.png`), fullPage: picture.isFullPage === true });
    await page.context().close();
  };
  await shoot({ name: 'page-empty', ...WIDE, colorScheme: 'light' });
  // The week before is there to be compared with.
  const begunMs = Date.now();
  await playDemo(service, begunMs, begunMs - 2 * WEEK_MS);
  // An incident that goes on.
  const failing = { kind: 'api', service_name: 'billing', endpoint: '/pay', method: 'POST', response_time_ms: 640 };
  await sendAll(
    service.client,
    Array.from({ length: 60 }, (_, index) => ({ ...failing, status_code: index % 5 === 0 ? 500 : 201 })),
  );
  await untilFolded(service);
  const fires = async (): Promise<true | undefined> => {
    const answer = (await service.client.get('/metrics/alerts?status=firing')).json() as { alerts: unknown[] };
    return answer.alerts.length > 0 ? true : undefined;
  };
  await waitFor('an alert', fires, ALERT_TIMEOUT_MS).catch((error) => console.error(error));
  // What has happened meanwhile, so that no service is silent in the pictures.
  await playDemo(service, begunMs, begunMs);
  await untilFolded(service);
  for (const picture of process.argv[3] === 'all' ? [...PICTURES, ...FURTHER] : PICTURES) await shoot(picture);
  await browser.close();
  await service.stop();
}

await main();
