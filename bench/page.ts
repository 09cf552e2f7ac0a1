/**
 * How long the page takes to its first view: `npm run bench:page -- [days] [requests per minute] [views]`. Each view has a browser
 * context of its own, so nothing is cached, and asks for a range that no view before it asked for. From the call to go there to
 * the headline numbers of the last 24 hours; before it, how long the dashboard's answer alone takes, asked in the same way.
 */
import { findChromium, startChromium } from '../test/support/chromium.js';
import { sendAll, untilFolded, untilViewed } from '../test/support/page-stage.js';
import { startTestService } from '../test/support/service.js';
import { weekOfEvents } from '../test/support/week.js';

const [days = 14, requestsPerMinute = 6, views = 10] = process.argv.slice(2).map(Number);
const DAY_MS = 86_400_000;

function tell(what: string, times: number[]): void {
  times.sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)] ?? Number.NaN;
  console.log(`${what}: median ${Math.round(median)} ms, longest ${Math.round(times.at(-1) ?? Number.NaN)} ms`);
}

const path = findChromium();
if (path === undefined) throw new Error('No Chromium was found; CHROMIUM_PATH names one');
const service = await startTestService();
const browser = await startChromium(path);
try {
  const events = weekOfEvents({ nowMs: Date.now(), days, requestsPerMinute, seed: 7 });
  await sendAll(service, events);
  await untilFolded(service);
  console.log(`${events.length} events of ${days} days`);
  const [answers, shown]: [number[], number[]] = [[], []];
  for (let view = 0; view < views; view += 1) {
    const toMs = Date.now() - view;
    const [from, to] = [toMs - DAY_MS, toMs].map((ms) => new Date(ms).toISOString());
    const askedMs = performance.now();
    const answer = await service.client.get(`/metrics/dashboard?from=${from}&to=${to}&compare=previous`);
    if (answer.status !== 200) throw new Error(answer.text);
    answers.push(performance.now() - askedMs);
    const context = await browser.newContext({ viewport: { width: 1360, height: 940 } });
    const page = await context.newPage();
    const startMs = performance.now();
    await page.goto(`${service.client.url}/#token=${service.client.token}`, { waitUntil: 'commit' });
    await untilViewed(page);
    shown.push(performance.now() - startMs);
    await context.close();
  }
  tell('dashboard of 24 hours', answers);
  tell('first view', shown);
} finally {
  await browser.close();
  await service.stop();
}
