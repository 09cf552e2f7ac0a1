import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PostInFlight } from '../support/post-in-flight.js';
import { SeededRandom } from '../support/random.js';
import { waitFor } from '../support/servers.js';
import { startTestServers, type TestClient } from '../support/service.js';
import { ServiceProcess } from '../support/service-process.js';
import { assertInvariant, openStage, type Stage } from './stage.js';
import { EventMaker, sendBothWays } from './traffic.js';

const test = suite('Processes are killed, and told to stop');

/** `npm run test:faults` tries it in full; `npm test` has the short form. */
const FULL = process.env.METRICS_FAULTS === 'full';
const PROJECTOR_KILLS = FULL ? 50 : 3;
const PROJECTOR_EVENTS = FULL ? 200_000 : 6_000;
const API_KILLS = FULL ? 20 : 2;
const EVENTS_PER_API_KILL = FULL ? 2_000 : 600;
const STOPS = FULL ? 50 : 2;
const EVENTS_PER_STOP = 600;
const IN_FLIGHT_PER_STOP = 10;
/** From the start of the process: before it works, while it catches up, and while it works. */
const MAX_LIFE_MS = 2_500;
const STOP_BOUND_MS = 10_000;

let stage: Stage;
let projector: ServiceProcess;
let random: SeededRandom;
let maker: EventMaker;

test.before(async () => {
  random = SeededRandom.announced('killed');
  maker = new EventMaker(random, 'k');
  const servers = await startTestServers({ env: { ROLE: 'api,alerts' } });
  stage = await openStage(servers);
  projector = await ServiceProcess.projector(servers.env);
  projector.spawn();
});

test.after(async () => {
  await projector?.end('SIGKILL');
  await stage?.close();
});

test(`fault 1: the projector is killed ${PROJECTOR_KILLS} times during ${PROJECTOR_EVENTS} events`, async () => {
  const share = PROJECTOR_EVENTS / PROJECTOR_KILLS;
  for (let kill = 0; kill < PROJECTOR_KILLS; kill += 1) {
    const sending = sendBothWays(stage, maker.make(share), 100);
    await sleep(random.integer(0, MAX_LIFE_MS));
    await projector.end('SIGKILL');
    projector.spawn();
    await sending;
  }
  const { rows, acknowledged } = await assertInvariant(stage);
  assert.equal([rows, acknowledged], [maker.made, maker.made]);
  console.log(`fault 1: the projector killed ${PROJECTOR_KILLS} times; ${rows} rows, each once`);
});

test(`fault 2: the api is killed ${API_KILLS} times under load`, async () => {
  for (let kill = 0; kill < API_KILLS; kill += 1) {
    const sending = sendBothWays(stage, maker.make(EVENTS_PER_API_KILL));
    await sleep(random.integer(0, 200));
    await stage.service.end('SIGKILL');
    await stage.service.start();
    await sending;
  }
  const { rows, acknowledged } = await assertInvariant(stage);
  assert.equal([rows, acknowledged], [maker.made, maker.made]);
  console.log(`fault 2: the api killed ${API_KILLS} times; ${rows} rows, each once`);
});

interface BookedPost {
  readonly id: string;
  readonly post: PostInFlight;
}

/** Posts that the service has begun to read when it is told to stop, and is to answer. */
function postsInFlight({ url, token }: TestClient): Promise<BookedPost[]> {
  const events = maker.make(IN_FLIGHT_PER_STOP);
  return Promise.all(
    events.map(async ({ id, table, body }) => {
      stage.ledger.enter(id, table);
      return { id, post: await PostInFlight.begin(`${url}/metrics/events`, token, body) };
    }),
  );
}

/** Waits until nobody can begin anything more with the service: it has taken the signal up. */
async function closed({ url }: TestClient): Promise<void> {
  const refuses = () =>
    fetch(`${url}/health`, { headers: { connection: 'close' } }).then(
      (answer) => (answer.ok ? undefined : true),
      () => true as const,
    );
  await waitFor('the service to take no more', refuses, STOP_BOUND_MS);
}

test(`fault 20: SIGTERM ${STOPS} times under load: it ends within 10 s, and what is in flight is answered`, async () => {
  await projector.end('SIGTERM');
  await stage.service.end('SIGTERM');
  const service = await ServiceProcess.create({ ...stage.servers.env, ROLE: 'all' });
  const whole: Stage = { ...stage, service, client: await service.client() };
  try {
    await service.start();
    let longestMs = 0;
    for (let stop = 0; stop < STOPS; stop += 1) {
      const sending = sendBothWays(whole, maker.make(EVENTS_PER_STOP));
      await sleep(random.integer(0, 500));
      const posts = await postsInFlight(whole.client);
      const startedMs = performance.now();
      const ended = service.end('SIGTERM');
      await closed(whole.client);
      for (const { id, post } of posts) {
        assert.is(await post.finish(), 202);
        stage.ledger.acknowledge(id);
      }
      assert.is(await ended, 0);
      longestMs = Math.max(longestMs, performance.now() - startedMs);
      assert.ok(longestMs < STOP_BOUND_MS, `it took ${longestMs} ms`);
      await service.start();
      await sending;
    }
    const { rows } = await assertInvariant(whole);
    assert.is(rows, maker.made);
    const answered = STOPS * IN_FLIGHT_PER_STOP;
    console.log(
      `fault 20: stopped ${STOPS} times, within ${Math.round(longestMs)} ms, ${answered} posts answered; ${rows} rows`,
    );
  } finally {
    await service.end('SIGTERM');
  }
});

test.run();
