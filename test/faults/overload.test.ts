import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startTestServers } from '../support/service.js';
import { ServiceProcess } from '../support/service-process.js';
import { type Hammered, hammer } from './hammer.js';

const test = suite('Overload');

const FULL = process.env.METRICS_FAULTS === 'full';
const SECONDS = FULL ? 60 : 3;
/** What it takes at a time; as many connections keep it busy all the time. */
const MAX_IN_FLIGHT = 32;
const TIMES = 5;
const MIN_SHARE = 0.8;
const MAX_GROWTH_BYTES = 150_000_000;

interface Measured extends Hammered {
  /** Of the service. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

async function sampled(port: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics/prometheus`)).text();
  return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
}

test(`fault 18: ${TIMES} times more than it takes, by clients that ask again at once, for ${SECONDS} s`, async () => {
  const servers = await startTestServers({ env: { HTTP_MAX_IN_FLIGHT: String(MAX_IN_FLIGHT) } });
  const service = await ServiceProcess.create(servers.env);
  try {
    await service.start();
    const { port } = service;
    const { token } = await service.client();
    const measure = async (connections: number): Promise<Measured> => {
      const before = await sampled(port, 'process_cpu_seconds_total');
      const hammered = await hammer({ port, token, connections, seconds: SECONDS });
      return {
        ...hammered,
        cpuSeconds: (await sampled(port, 'process_cpu_seconds_total')) - before,
        residentBytes: await sampled(port, 'process_resident_memory_bytes'),
      };
    };
    await measure(MAX_IN_FLIGHT); // Until it is warm.
    const best = await measure(MAX_IN_FLIGHT);
    const over = await measure(TIMES * MAX_IN_FLIGHT);
    const allowed = new Set(['202', '429', '503']);
    assert.equal(
      Object.keys(over.statuses).filter((status) => !allowed.has(status)),
      [],
      JSON.stringify(over.statuses),
    );
    assert.ok((over.statuses['503'] ?? 0) > 0, 'it was too much');
    assert.is(over.broken, 0, 'no connection is cut');
    const taken = ({ statuses }: Measured): number => statuses['202'] ?? 0;
    const share = taken(over) / taken(best);
    // Where others use the machine, too, a rate says little; then what the service got done with its own processor time counts.
    const shareByCpu = share / (over.cpuSeconds / best.cpuSeconds);
    const percent = [share, shareByCpu].map((each) => Math.round(each * 100));
    console.log(
      `fault 18: ${Math.round(taken(best) / SECONDS)}/s taken at best, ${percent[0]} % of it under ${TIMES} times the load (${percent[1]} % by processor time), ${over.statuses['503']} refused, ${Math.round((over.residentBytes - best.residentBytes) / 1e6)} MB more`,
    );
    assert.ok((FULL ? share : Math.max(share, shareByCpu)) >= MIN_SHARE, percent.join(', '));
    assert.ok(over.residentBytes - best.residentBytes < MAX_GROWTH_BYTES);
  } finally {
    await service.end('SIGTERM');
    await servers.stop();
  }
});

test.run();
