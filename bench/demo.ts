/**
 * How long `npm run demo` takes until the page is full, in Chromium: `npm run bench:demo -- [days] [starts]`. In a copy of this
 * project as it is built; the first start makes its servers' data, the others begin anew (`--fresh`). Times are from the command.
 *
 * Full: with the range that the link opens, each panel has its numbers, from the first interval to the last, and what is
 * compared with the day before has a change beside it. As the page shows them, so its own pauses are among it.
 */
import { loadavg } from 'node:os';
import type { Page } from 'playwright-core';
import { freePort } from '../src/devservices/index.js';
import { findChromium, startChromium } from '../test/support/chromium.js';
import { isUpToDate, missingOnPage } from '../test/support/full-page.js';
import { NpmProject } from '../test/support/npm-project.js';
import { cpuSeconds } from './processes.js';

const [days = 7, starts = 3] = process.argv.slice(2).map(Number);
const LOOK_MS = 200;
const FULL_TIMEOUT_MS = 300_000;

const path = findChromium();
if (path === undefined) throw new Error('No Chromium was found; CHROMIUM_PATH names one');
const browser = await startChromium(path);
const project = new NpmProject();
try {
  project.shareServers();
  project.env = { ...process.env, PORT: String(await freePort()) };
  for (let start = 0; start < starts; start += 1) {
    const context = await browser.newContext({ viewport: { width: 1360, height: 940 } });
    try {
      await measure(start === 0 ? [] : ['--fresh'], await context.newPage());
    } finally {
      await context.close();
    }
  }
} finally {
  await browser.close();
  await project.remove();
}

async function measure(args: readonly string[], page: Page): Promise<void> {
  const startMs = performance.now();
  const tell = (what: string): void => console.log(`${seconds(performance.now() - startMs)}  ${what}`);
  const tellCost = (what: string): void => {
    const { service, servers } = npm.pids();
    const used = [service, ...servers].reduce((sum, pid) => sum + cpuSeconds(pid), 0);
    tell(`${what}; ${used.toFixed(1)} s of a core for the service and its servers; load ${loadavg()[0]?.toFixed(1)}`);
  };
  console.log(`npm run demo -- --days ${days} ${args.join(' ')}; load ${loadavg()[0]?.toFixed(1)}`);
  const npm = project.run({ args: ['run', 'demo', '--', '--days', String(days), ...args], dataFolder: 'demo' });
  try {
    const lines = ['nats:', 'postgres:', 'Live traffic'].map((line) =>
      npm.line(line).then(
        () => tell(line),
        () => undefined,
      ),
    );
    const link = (await npm.line('Dashboard:')).replace('Dashboard:', '').trim();
    tellCost('the address is printed');
    await page.goto(link, { waitUntil: 'commit' });
    let before = '';
    let missing = '-';
    while (missing !== '' && performance.now() - startMs < FULL_TIMEOUT_MS) {
      await page.waitForTimeout(LOOK_MS);
      missing = (await missingOnPage(page)).join(', ');
      if (missing !== before && missing !== '') tell(`missing: ${missing}`);
      before = missing;
    }
    if (missing !== '') throw new Error(`after ${FULL_TIMEOUT_MS} ms there is missing ${missing}`);
    tellCost('the page is full');
    await Promise.all(lines);
    while (!(await isUpToDate(page))) await page.waitForTimeout(LOOK_MS);
    tellCost('all of the history is in');
  } finally {
    await project.endLeft();
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`.padStart(8);
}
