import { setTimeout as sleep } from 'node:timers/promises';
import type { JetStreamManager } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import { isMomentary } from '../../src/stream/connection.js';
import { ensureStreams } from '../../src/stream/streams.js';
import { STREAM_SETTINGS } from '../support/log.js';
import { type NatsCluster, startNatsCluster } from '../support/nats-cluster.js';
import { SeededRandom } from '../support/random.js';
import { waitFor } from '../support/servers.js';
import { startTestServers } from '../support/service.js';
import { assertInvariant, openStage, type Stage } from './stage.js';
import { EventMaker, sendBothWays } from './traffic.js';

const test = suite('NATS as a cluster of three');

const FULL = process.env.METRICS_FAULTS === 'full';
/** Every other one is of the node that leads METRICS. */
const KILLS = FULL ? 20 : 2;
const EVENTS_PER_KILL = FULL ? 2_000 : 400;
const RECOVERY_TIMEOUT_MS = 60_000;

const STREAMS = [
  'METRICS',
  'METRICS_ALERTS',
  'METRICS_ALERT_ACTIONS',
  'METRICS_ALERT_STATE',
  'METRICS_DEADLETTERS',
  'KV_metrics_leases',
];

let cluster: NatsCluster;
let stage: Stage;
let manager: JetStreamManager;

test.before(async () => {
  cluster = await startNatsCluster();
  const [nats] = cluster.nodes;
  if (nats === undefined) throw new Error('no node');
  // A channel, so that there is a lease and its bucket; nobody is told anything.
  const channel = { ALERT_WEBHOOK_URL: 'http://127.0.0.1:9', ALERT_WEBHOOK_ALLOW_PRIVATE: 'true' };
  const env = { NATS_URL: cluster.url, METRICS_STREAM_REPLICAS: '3', ...channel };
  // The cluster is electing its leader now, and the service has to wait for that.
  stage = await openStage(await startTestServers({ nats, env }));
  manager = await stage.connection.jetstreamManager();
});

test.after(async () => {
  await stage?.close();
  await cluster.stop();
});

/**
 * Waits until each stream and the bucket of leases has so many replicas. Asked one by one: a list leaves out what has no
 * leader at the moment.
 */
async function expectReplicas(wanted: number): Promise<void> {
  for (const name of STREAMS) {
    const isSo = async (): Promise<true | undefined> => {
      const found = await manager.streams.info(name).catch(() => undefined);
      return found?.config.num_replicas === wanted ? true : undefined;
    };
    await waitFor(`${wanted} replicas of ${name}`, isSo, RECOVERY_TIMEOUT_MS);
  }
}

test('the service starts while the cluster elects, and every stream and bucket has three replicas', async () => {
  await expectReplicas(3);
});

/** The node that leads METRICS, or one that does not; waits for an election that is going on. */
async function victim(isLeader: boolean): Promise<ManagedServer> {
  const leader = await waitFor(
    'a leader of METRICS',
    () => cluster.leaderOf(manager, 'METRICS').catch(() => undefined),
    RECOVERY_TIMEOUT_MS,
  );
  const other = cluster.nodes.find((node) => node !== leader && node.pid !== undefined);
  const chosen = isLeader ? leader : other;
  if (chosen === undefined) throw new Error('no such node');
  return chosen;
}

/** Waits until the node that came back has what the others have, so that the next kill leaves a majority that has all. */
async function untilReplicated(): Promise<void> {
  await waitFor(
    'three current replicas of METRICS',
    async () => {
      const info = await manager.streams.info('METRICS').catch(() => undefined);
      const { leader, replicas: followers = [] } = info?.cluster ?? {};
      const isWhole = leader !== undefined && followers.length === 2 && followers.every(({ current }) => current);
      return isWhole ? true : undefined;
    },
    RECOVERY_TIMEOUT_MS,
  );
}

test(`fault 23: a node is killed ${KILLS} times under load, every other time the leader of METRICS`, async () => {
  const random = SeededRandom.announced('cluster');
  const maker = new EventMaker(random, 'c');
  for (let kill = 0; kill < KILLS; kill += 1) {
    const sending = sendBothWays(stage, maker.make(EVENTS_PER_KILL));
    await sleep(random.integer(0, 100));
    const node = await victim(kill % 2 === 0);
    await node.kill();
    await sending;
    await node.start();
    await untilReplicated();
  }
  const { rows, acknowledged } = await assertInvariant(stage);
  assert.is(acknowledged, maker.made);
  assert.is(rows, maker.made);
  console.log(
    `fault 23: a node killed ${KILLS} times, ${Math.ceil(KILLS / 2)} times the leader; ${rows} rows, each once`,
  );
});

/** As a start does: what has no leader at the moment is asked again. */
async function configure(replicas: number): Promise<void> {
  const ensure = () =>
    ensureStreams(manager, { ...STREAM_SETTINGS, replicas }).catch((error: unknown) => {
      if (!isMomentary(error)) throw error;
      return undefined;
    });
  assert.equal(await waitFor('the change of replicas', ensure, RECOVERY_TIMEOUT_MS), []);
}

test('replicas that are configured anew are given to streams and buckets that are there', async () => {
  await configure(1);
  await expectReplicas(1);
  await configure(3);
  await expectReplicas(3);
});

test.run();
