/**
 * How long the page takes to its first view: `npm run bench:page -- [days] [requests per minute] [views]`. Each view has a browser
 * context of its own, and before each an event comes, so that nothing is cached. From when the browser goes there to when the
 * headline numbers of the last 24 hours are painted; and how long the answer that it waits for takes alone. The service is a
 * process of its own, whose rollups are made, as one is that runs for long.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import { TABLES_REST } from '../src/queries/read-only.js';
import { findChromium, startChromium } from '../test/support/chromium.js';
import { testPool } from '../test/support/database.js';
import { sendAll } from '../test/support/page-stage.js';
import { startTestServers } from '../test/support/service.js';
import { ServiceProcess } from '../test/support/service-process.js';
import { weekOfEvents } from '../test/support/week.js';
import { BenchClient } from './http-client.js';
import { untilReady } from './ready.js';

const [days = 14, requestsPerMinute = 6, views = 10] = process.argv.slice(2).map(Number);

const MIN_ANSWER_MS = 500;

/** So that the browser tells when it has painted a headline number: the page itself does not ask for that. */
const MARK = `new MutationObserver(() => {
  for (const number of document.querySelectorAll('.headlines .number:not([elementtiming])')) {
    number.setAttribute('elementtiming', 'headline');
  }
}).observe(document, { childList: true, subtree: true })`;

/** Resolves with the time from the start of the navigation to that painting, in ms. */
const FIRST_VIEW = `new Promise((resolve) => {
  new PerformanceObserver((list) => resolve(list.getEntries()[0].startTime)).observe({ type: 'element', buffered: true });
})`;

async function view(browser: Browser, address: string): Promise<number> {
  const context = await browser.newContext({ viewport: { width: 1360, height: 940 } });
  try {
    const page = await context.newPage();
    await page.addInitScript(MARK);
    await page.goto(address, { waitUntil: 'commit' });
    return Number(await page.evaluate(FIRST_VIEW));
  } finally {
    await context.close();
  }
}

/** So that no answer of before is given again: one more event, and longer than an answer rests that took `tookMs`. */
async function changeTables(client: BenchClient, tookMs: number): Promise<void> {
  await client.send('POST', '/metrics/events', JSON.stringify({ event_type: 'user_login', user_id: 1 }));
  await sleep(Math.min(TABLES_REST.maxMs, TABLES_REST.factor * tookMs));
}

function tell(what: string, times: number[]): void {
  times.sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)] ?? Number.NaN;
  console.log(`${what}: median ${Math.round(median)} ms, longest ${Math.round(times.at(-1) ?? Number.NaN)} ms`);
}

const path = findChromium();
if (path === undefined) throw new Error('No Chromium was found; CHROMIUM_PATH names one');
const servers = await startTestServers();
const service = await ServiceProcess.create(servers.env);
const pool = testPool(servers.database.url, 1);
const browser = await startChromium(path);
try {
  await service.start();
  const events = weekOfEvents({ nowMs: Date.now(), days, requestsPerMinute, seed: 7 });
  const { token, url } = await service.client();
  const reader = await BenchClient.of(service.port, 4);
  await sendAll(await service.client(), events);
  await untilReady(reader, pool);
  console.log(`${events.length} events of ${days} days`);
  const [answers, shown]: [number[], number[]] = [[], []];
  const longest = (): number => Math.max(MIN_ANSWER_MS, ...answers, ...shown);
  for (let round = 0; round < views; round += 1) {
    await changeTables(reader, longest());
    const askedMs = performance.now();
    await reader.send('GET', '/metrics/dashboard?from=-24h&to=now&interval=900&compare=previous');
    answers.push(performance.now() - askedMs);
    await changeTables(reader, longest());
    shown.push(await view(browser, `${url}/#token=${token}`));
  }
  tell('dashboard of 24 hours', answers);
  tell('first view', shown);
  reader.close();
} finally {
  await browser.close();
  await pool.end();
  await service.end('SIGTERM');
  await servers.stop();
}
