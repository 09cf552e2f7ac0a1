import { setTimeout as sleep } from 'node:timers/promises';
import { startTestServers } from '../../test/support/service.js';
import { ServiceProcess } from '../../test/support/service-process.js';
import { fullLoad } from '../full-load.js';
import type { BenchOptions, Figure, FigureCase } from '../harness/case.js';
import { BenchClient } from '../http-client.js';
import { cpuSeconds, peakBytes, residentBytes } from '../processes.js';
import { untilAnswering } from '../ready.js';
import { RealisticEvents } from '../realistic-events.js';

const SECONDS = 600;
const QUICK_SECONDS = 20;
const SAMPLES = 300;
const GOAL_MB = 256;
/** Less than the noise of ten minutes, and 1.4 GB a day: what a leak would be is seen long before. */
const GOAL_MB_PER_MINUTE = 1;
/** What a process takes in its first fifth is its start. */
const SETTLED_FROM = 0.2;
const HEAP = /^(nodejs_heap_size_used_bytes|nodejs_heap_size_total_bytes|nodejs_external_memory_bytes) (\S+)$/gm;

interface Sample {
  readonly minutes: number;
  readonly residentMb: number;
  /** By the name of the service's own metric, in MB. */
  readonly own: ReadonlyMap<string, number>;
}

export const memory: FigureCase = {
  name: 'memory',
  title: 'memory of one process (ROLE=all) at full load',
  measure,
};

async function measure({ quick }: BenchOptions): Promise<readonly Figure[]> {
  const seconds = quick ? QUICK_SECONDS : SECONDS;
  const servers = await startTestServers();
  const service = await ServiceProcess.create(servers.env);
  try {
    await service.start();
    await untilAnswering(service.port);
    const idleMb = residentBytes(service.pid) / 1e6;
    const before = cpuSeconds(service.pid);
    const endMs = performance.now() + seconds * 1000;
    const hasEnded = (): boolean => performance.now() > endMs;
    const [taken, samples] = await Promise.all([
      fullLoad((connections) => BenchClient.of(service.port, connections), new RealisticEvents(1), hasEnded),
      watch(service, (seconds * 1000) / SAMPLES, hasEnded),
    ]);
    const settled = samples.slice(Math.floor(samples.length * SETTLED_FROM));
    const resident = samples.map(({ residentMb }) => residentMb);
    const peakOf = (name: string): number => Math.max(...samples.map(({ own }) => own.get(name) ?? Number.NaN));
    const mb = (what: string, value: number): Figure => ({ what, value, unit: 'MB' });
    return [
      { ...mb('most that was resident', peakBytes(service.pid) / 1e6), goal: { atMost: GOAL_MB } },
      { what: 'growth of it', value: slope(settled), unit: 'MB/min', goal: { atMost: GOAL_MB_PER_MINUTE } },
      mb('resident, median', median(resident)),
      mb('resident after the start', idleMb),
      mb('most of the heap in use', peakOf('nodejs_heap_size_used_bytes')),
      mb('most of the heap', peakOf('nodejs_heap_size_total_bytes')),
      mb('most outside of the heap', peakOf('nodejs_external_memory_bytes')),
      { what: 'events taken one by one', value: taken.singles / seconds, unit: 'events/s' },
      { what: 'events taken in batches', value: taken.inBatches / seconds, unit: 'events/s' },
      { what: 'questions answered', value: (taken.queries - taken.unavailable) / seconds, unit: 'requests/s' },
      { what: 'questions that could not be answered in time', value: taken.unavailable, unit: 'requests' },
      {
        what: 'processor time an event',
        value: ((cpuSeconds(service.pid) - before) / (taken.singles + taken.inBatches)) * 1e6,
        unit: 'µs',
      },
      { what: 'of a core', value: (cpuSeconds(service.pid) - before) / seconds, unit: 'cores' },
    ];
  } finally {
    await service.end('SIGTERM');
    await servers.stop();
  }
}

async function watch(service: ServiceProcess, intervalMs: number, hasEnded: () => boolean): Promise<Sample[]> {
  const client = await BenchClient.of(service.port, 1);
  const startMs = performance.now();
  const samples: Sample[] = [];
  while (!hasEnded()) {
    const [own] = await Promise.all([client.send('GET', '/metrics/prometheus'), sleep(intervalMs)]);
    samples.push({
      minutes: (performance.now() - startMs) / 60_000,
      residentMb: residentBytes(service.pid) / 1e6,
      own: new Map([...own.matchAll(HEAP)].map(([, name = '', value]) => [name, Number(value) / 1e6])),
    });
  }
  client.close();
  return samples;
}

/** The line of least squares, in MB a minute. */
function slope(samples: readonly Sample[]): number {
  const mean = (of: (sample: Sample) => number): number =>
    samples.reduce((sum, each) => sum + of(each), 0) / samples.length;
  const [minutes, megabytes] = [mean((each) => each.minutes), mean((each) => each.residentMb)];
  const covariance = mean((each) => (each.minutes - minutes) * (each.residentMb - megabytes));
  return covariance / mean((each) => (each.minutes - minutes) ** 2);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
