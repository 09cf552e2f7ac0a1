import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dashboardPath } from '../../web/page/model/ranges.js';
import { findChromium, startChromium } from '../support/chromium.js';
import { waitFor } from '../support/servers.js';
import { startTestService, type TestService } from '../support/service.js';
import { weekOfEvents } from '../support/week.js';

const test = suite('The page in Chromium');
const chromiumPath = findChromium();
/** The machine may have much else to do. */
const BOUND_MS = 60_000;

let service: TestService;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** What the page asked for, and what the browser complained of. */
const asked: string[] = [];
const complaints: string[] = [];

/** A test that is skipped, and says why, where there is no browser. */
function check(name: string, run: () => Promise<void>): void {
  if (chromiumPath === undefined) test.skip(name, run);
  else test(name, run);
}
if (chromiumPath === undefined) {
  console.log('skipped: no Chromium was found (CHROMIUM_PATH, /usr/bin/chromium and the like)');
}

test.before(async () => {
  if (chromiumPath === undefined) return;
  service = await startTestService({ ALERT_EVALUATION_INTERVAL: '1' });
  browser = await startChromium(chromiumPath);
  context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
  context.setDefaultTimeout(BOUND_MS);
  page = await context.newPage();
  page.on('request', (request) => asked.push(request.url()));
  page.on('console', (message) => {
    // What is away or refused is logged by the browser itself.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
});

test.after(async () => {
  await browser?.close();
  await service?.stop();
});

const state = (name: string) => page.waitForSelector(`[data-state="${name}"]`);
const withToken = (query = ''): string => `${service.client.url}/${query}#token=${service.client.token}`;

/** Values of elements as the answer has them, not as they are written. */
const valuesOf = (selector: string): Promise<number[]> =>
  page
    .locator(selector)
    .evaluateAll((found: readonly unknown[]) => found.map((each) => Number((each as { value: string }).value)));

async function untilValue(selector: string, wanted: number): Promise<void> {
  await waitFor(
    `${wanted} at ${selector}`,
    async () => ((await valuesOf(selector))[0] === wanted ? true : undefined),
    BOUND_MS,
  );
}

async function send(events: readonly object[]): Promise<void> {
  const answer = await service.client.post('/metrics/events/batch', { events });
  assert.is(answer.status, 202, answer.text);
}

interface Answered {
  readonly comparison: { readonly numbers: Record<string, { readonly current: number | null }> };
  readonly summary: { readonly system: { readonly healthy: number } };
  readonly services: readonly { readonly service_name: string }[];
  readonly top: { readonly endpoints: readonly { readonly requests: number }[] };
  readonly series: { readonly requests: readonly { readonly value: number }[] };
}

const HEADLINES = ['requests', 'error_rate', 'p95_response_time_ms', 'active_users', 'logins', 'appointments_created'];

check('asks for a token, and says when one is not taken', async () => {
  await page.goto(service.client.url);
  await state('no_token');
  assert.is(await page.evaluate('document.activeElement.id'), 'token');
  await page.fill('#token', 'eyJhbGciOiJIUzI1NiJ9.e30.wrong');
  await page.keyboard.press('Enter');
  await state('wrong_token');
  assert.match((await page.locator('[role=alert]').textContent()) ?? '', /The token is not taken/);
});

check(
  'without events says how the first one is sent, with a command that works, and counts it without a reload',
  async () => {
    await page.fill('#token', service.client.token);
    await page.keyboard.press('Enter');
    await state('empty');
    const command = await page.locator('#first-command').textContent();
    await promisify(execFile)('sh', ['-c', command ?? '']);
    await untilValue('[data-number=logins] data', 1);
    assert.is(await page.evaluate('performance.getEntriesByType("navigation").length'), 1);
  },
);

check('takes the token out of the address', async () => {
  await page.goto(withToken('?range=1h'));
  await page.waitForSelector('.headlines');
  assert.is(page.url(), `${service.client.url}/?range=1h`);
});

check('shows the numbers that the API answers, of all services and of one', async () => {
  const nowMs = Math.floor(Date.now() / 60_000) * 60_000;
  await send(weekOfEvents({ nowMs, days: 0.25, requestsPerMinute: 3, seed: 11, isSteady: true }));
  await waitFor(
    'the fold',
    async () => {
      const { projections } = (await service.client.get('/health/detailed')).json() as {
        projections: { lag_events: number | null }[];
      };
      return projections.every(({ lag_events: lag }) => lag === 0) ? true : undefined;
    },
    BOUND_MS,
  );
  const range = { kind: 'between', fromMs: nowMs - 4 * 3_600_000, toMs: nowMs } as const;
  const query = `?from=${new Date(range.fromMs).toISOString()}&to=${new Date(nowMs).toISOString()}`;
  await page.goto(service.client.url + query.replace('?', '/?'));
  for (const name of [undefined, 'gateway']) {
    if (name !== undefined) await page.selectOption('#service', name);
    const api = (await service.client.get(dashboardPath({ range, service: name }, true))).json() as Answered;
    assert.ok((api.comparison.numbers.requests?.current ?? 0) > 50);
    for (const headline of HEADLINES) {
      await untilValue(`[data-number=${headline}] data`, api.comparison.numbers[headline]?.current ?? Number.NaN);
    }
    assert.equal(
      (await page.locator('#services tbody th button').allTextContents()).sort(),
      api.services.map((each) => each.service_name).sort(),
    );
    const shown = await valuesOf('#endpoints tbody data');
    assert.equal(
      shown,
      api.top.endpoints.slice(0, shown.length).map(({ requests }) => requests),
    );
    await page.click('#requests button[aria-pressed]');
    const cells = await page.locator('#requests tbody tr td:nth-child(2)').allTextContents();
    const values = api.series.requests.map(({ value }) => value).filter((value) => value > 0);
    assert.equal(
      cells.map((cell) => Number(cell.replaceAll(',', ''))),
      values.reverse(),
    );
    await page.click('#requests button[aria-pressed]');
  }
  assert.match(page.url(), /service=gateway/);
  await page.goBack();
  await page.waitForFunction('document.querySelector("#service").value === ""');
});

check('shows an alert that fires, and lets it be acknowledged and silenced', async () => {
  await page.goto(`${service.client.url}/?range=1h`);
  const failing = { kind: 'api', service_name: 'billing', endpoint: '/pay', method: 'POST', status_code: 500 };
  await send(Array.from({ length: 20 }, () => failing));
  const alert = page.locator('.alert', { hasText: 'high_error_rate' });
  await alert.waitFor();
  assert.match((await page.locator('.firing').textContent()) ?? '', /^\d alerts? firing$/);
  await alert.getByRole('button', { name: 'Acknowledge' }).click();
  await alert.getByText('Acknowledged by operator').waitFor();
  await alert.getByRole('button', { name: 'Silence' }).click();
  await alert.getByLabel('Why').fill('deploying');
  await page.keyboard.press('Enter');
  await alert.getByText(/Silenced by operator until .*: deploying/).waitFor();
  await alert.getByRole('button', { name: 'End' }).click();
  await alert.getByRole('button', { name: 'Silence' }).waitFor();
});

check('goes on by asking where the stream is cut off', async () => {
  await page.waitForSelector('.freshness.live');
  await context.route('**/metrics/stream*', (route) => route.abort());
  await page.reload();
  await page.waitForSelector('.freshness.polling');
  const [logins = Number.NaN] = await valuesOf('[data-number=logins] data');
  await send([{ event_type: 'user_login', user_id: 7_001 }]);
  await untilValue('[data-number=logins] data', logins + 1);
  await context.unroute('**/metrics/stream*');
});

check('says that an answer is not understood, and goes on by itself', async () => {
  await context.route('**/metrics/dashboard?*', (route) => route.fulfill({ json: null }));
  await state('unavailable');
  await context.unroute('**/metrics/dashboard?*');
  await page.waitForSelector('[data-state=unavailable]', { state: 'detached' });
});

check('says that it does not know the shape of an answer, and is mended by a click', async () => {
  await context.route('**/metrics/alerts?*', (route) => route.fulfill({ json: {} }));
  await page.waitForSelector('[data-state=broken]');
  await context.unroute('**/metrics/alerts?*');
  const mended = async (): Promise<true | undefined> => {
    // What it has may still be the answer of before.
    if (await page.locator('[data-state=broken]').isVisible()) await page.getByText('Try again').click();
    return (await page.locator('#pipeline').count()) > 0 ? true : undefined;
  };
  await waitFor('the numbers', mended, 60_000);
  // Which of them it was is for whoever looks into the console.
  const told = complaints.splice(0);
  assert.ok(told.length > 0);
  for (const complaint of told) assert.match(complaint, /TypeError/);
});

check('keeps what it has while the service is away, says so, and goes on by itself', async () => {
  await context.setOffline(true);
  await state('away');
  assert.match(
    (await page.locator('.banner').textContent()) ?? '',
    /cannot be reached.*These numbers are of \d\d:\d\d/s,
  );
  assert.ok((await valuesOf('[data-number=requests] data'))[0]);
  await context.setOffline(false);
  await page.waitForSelector('[data-state=away]', { state: 'detached' });
});

check('says that Redis is away, and shows the same numbers', async () => {
  await service.servers.redis.kill('SIGKILL');
  await state('degraded');
  assert.match((await page.locator('.banner').textContent()) ?? '', /Redis/);
  // The range goes on with the time, so the numbers are those of this moment and not those of before.
  await waitFor(
    'the numbers that the API answers from Postgres',
    async () => {
      const path = dashboardPath({ range: { kind: 'last', preset: '1h' }, service: undefined }, true);
      const { comparison } = (await service.client.get(path)).json() as Answered;
      const [shown] = await valuesOf('[data-number=requests] data');
      return shown === comparison.numbers.requests?.current ? true : undefined;
    },
    BOUND_MS,
  );
  await service.servers.redis.start();
  await page.waitForSelector('[data-state=degraded]', { state: 'detached' });
});

check('is used with the keyboard, and has what screen readers go by', async () => {
  await page.reload();
  await page.waitForSelector('.chart canvas');
  await page.keyboard.press('Tab');
  assert.is(await page.evaluate('document.activeElement.className'), 'skip');
  await page.keyboard.press('Enter');
  assert.is(await page.evaluate('document.activeElement.id'), 'content');
  await page.locator('#requests .chart').focus();
  await page.keyboard.press('End');
  assert.match((await page.locator('#requests .tooltip').textContent()) ?? '', /Requests\s*\d+/);
  assert.match(
    (await page.locator('#requests .chart').getAttribute('aria-label')) ?? '',
    /Requests: \d+ over all, highest/,
  );
  assert.is(await page.locator('h1').count(), 1);
  const nameless = await page.evaluate(
    `[...document.querySelectorAll('button, a, input, select, section')].filter((each) =>
      !(each.textContent.trim() || each.ariaLabel || each.labels?.length)).length`,
  );
  assert.is(nameless, 0);
  assert.is(await page.locator('main section:not([aria-labelledby])').count(), 0);
});

const CONTRAST = `(() => {
  const probe = document.body.appendChild(document.createElement('i'));
  const canvas = new OffscreenCanvas(1, 1).getContext('2d');
  const light = (name) => {
    probe.style.color = 'var(--' + name + ')';
    canvas.fillStyle = getComputedStyle(probe).color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const pairs = [['text', 'card'], ['text', 'page'], ['soft', 'card'], ['soft', 'page'], ['soft', 'sunken'], ['accent', 'card'],
    ['on-accent', 'accent'], ['good', 'card'], ['warn', 'card'], ['bad', 'card'], ['bad', 'bad-ground'], ['warn', 'warn-ground'],
    ['soft', 'bad-ground'], ['soft', 'warn-ground']];
  return pairs.map(([a, b]) => {
    const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
    return { pair: a + ' on ' + b, contrast: (high + 0.05) / (low + 0.05) };
  });
})()`;

check('can be read in light and in dark', async () => {
  const grounds = new Set<unknown>();
  for (const theme of ['light', 'dark'] as const) {
    await page.click('summary');
    await page.getByRole('button', { name: theme, exact: true }).click();
    await page.keyboard.press('Escape');
    grounds.add(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
    const found = (await page.evaluate(CONTRAST)) as { pair: string; contrast: number }[];
    for (const { pair, contrast } of found) assert.ok(contrast >= 4.5, `${theme}: ${pair} is ${contrast.toFixed(2)}`);
  }
  assert.is(grounds.size, 2);
});

check('fits a phone, whatever a service is called', async () => {
  const names = ['constructor', 'x'.repeat(100)];
  await send(
    names.map((service_name) => ({ kind: 'api', service_name, endpoint: '/', method: 'GET', status_code: 200 })),
  );
  for (const name of names) await page.waitForSelector(`#services tr[data-service="${name}"]`);
  await page.setViewportSize({ width: 360, height: 740 });
  await page.waitForFunction('document.querySelector(".chart canvas")?.clientWidth < 360');
  assert.is(await page.evaluate('document.documentElement.scrollWidth'), 360);
});

check('forgets the token', async () => {
  await page.click('summary');
  await page.getByRole('button', { name: 'Forget the token' }).click();
  await state('no_token');
  await page.reload();
  await state('no_token');
});

check('asks nobody but this service, and breaks no rule of its policy', async () => {
  assert.ok(asked.length > 20);
  assert.equal(
    asked.filter((url) => new URL(url).origin !== service.client.url),
    [],
  );
  assert.equal(complaints, []);
});

test.run();
