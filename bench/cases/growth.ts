import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchOptions, Figure, FigureCase } from '../harness/case.js';
import { BenchClient } from '../http-client.js';
import { RealisticEvents } from '../realistic-events.js';
import { openStage, type Stage } from '../stage.js';

const SIZES = [100_000, 1_000_000, 10_000_000] as const;
const QUICK_SIZES = [10_000, 20_000, 40_000] as const;
const SPAN_MS = 30 * 86_400_000;
const MINUTE_MS = 60_000;
/** Low enough that no request waits for another. */
const REQUESTS_PER_SECOND = 20;
const REQUESTS = 200;
const QUICK_REQUESTS = 20;
const WARM_UP = 10;

interface Asked {
  readonly what: string;
  readonly atMost: number;
  readonly ask: (client: BenchClient, index: number) => Promise<string>;
}

const get = (path: string): Asked['ask'] => {
  return (client) => client.send('GET', path);
};

const ASKED: readonly Asked[] = [
  { what: 'summary', atMost: 1.1, ask: get('/metrics/summary') },
  { what: 'summary of 30 days', atMost: 1.1, ask: get('/metrics/summary?window=30d') },
  { what: 'health', atMost: 1.1, ask: get('/metrics/services/health') },
  { what: 'prometheus', atMost: 1.1, ask: get('/metrics/prometheus') },
  {
    what: 'single POST',
    atMost: 1.1,
    ask: (client, index) =>
      client.send('POST', '/metrics/events', `{"event_type":"user_login","user_id":${1 + (index % 1_000)}}`),
  },
  // Each range is named to the minute, so that none has been answered before.
  {
    what: 'dashboard of 30 days',
    atMost: 1.5,
    ask: (client, index) => {
      const toMs = Math.floor(Date.now() / MINUTE_MS - 1 - (index % 300)) * MINUTE_MS;
      const [from, to] = [toMs - SPAN_MS, toMs].map((timeMs) => new Date(timeMs).toISOString());
      return client.send('GET', `/metrics/dashboard?from=${from}&to=${to}`);
    },
  },
];

/** Times of an answer with more and more events stored, as multiples of those with the least. */
export const growth: FigureCase = {
  name: 'growth',
  title: 'time of an answer with 100,000, 1,000,000 and 10,000,000 events stored, relative to 100,000',
  measure,
};

async function measure({ quick }: BenchOptions): Promise<readonly Figure[]> {
  const sizes = quick ? QUICK_SIZES : SIZES;
  const stage = await openStage();
  const figures: Figure[] = [];
  try {
    const events = new RealisticEvents(1);
    const least = new Map<string, number>();
    let stored = 0;
    for (const size of sizes) {
      const startMs = performance.now();
      const [before, fromMs] = [stored, Date.now() - SPAN_MS];
      const timeMsOf = (sequence: number): number => fromMs + ((sequence - before) / (size - before)) * SPAN_MS;
      await stage.fill(size - before, (first, count) => events.inOrder(first, count, timeMsOf));
      stored = size;
      figures.push({ what: `${size} events stored: took`, value: (performance.now() - startMs) / 1000, unit: 's' });
      figures.push(...(await askAll(stage, size, least, quick ? QUICK_REQUESTS : REQUESTS)));
    }
    return figures;
  } finally {
    await stage.close();
  }
}

async function askAll(stage: Stage, size: number, least: Map<string, number>, requests: number): Promise<Figure[]> {
  const client = await BenchClient.of(stage.service.port, 1);
  const figures: Figure[] = [];
  for (const { what, atMost, ask } of ASKED) {
    const ms = await medianMs(requests, (index) => ask(client, index));
    const first = least.get(what);
    const name = `${size} events: ${what}`;
    figures.push({ what: name, value: ms, unit: 'ms' });
    if (first === undefined) least.set(what, ms);
    else figures.push({ what: `${name}, relative`, value: ms / first, unit: '', goal: { atMost } });
  }
  client.close();
  return figures;
}

/** One after the other at a fixed rate. */
async function medianMs(requests: number, ask: (index: number) => Promise<string>): Promise<number> {
  const times: number[] = [];
  for (let index = -WARM_UP; index < requests; index += 1) {
    const startMs = performance.now();
    await Promise.all([
      ask(index + WARM_UP).then(() => {
        if (index >= 0) times.push(performance.now() - startMs);
      }),
      sleep(1000 / REQUESTS_PER_SECOND),
    ]);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
}
