import { headers } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CodecOptions, decodeMessage, type LogMessage } from '../../src/events/codec.js';
import type { LogEvent } from '../../src/events/kinds.js';
import { accept, type Outcome } from '../../src/events/refusals.js';
import { type EventTable, Partitions } from '../../src/store/partitions.js';
import { parkDeadLetters } from '../../src/stream/dead-letters.js';
import { readMessage } from '../../src/stream/read-message.js';
import type { ReplayParts } from '../../src/stream/replay-letters.js';
import { allLetters, forgetIds, lettersByReason, replay } from '../support/letters.js';
import { openLog, type TestLog } from '../support/log.js';
import { codec } from '../support/messages.js';
import { newProjector, untilProjected } from '../support/projection.js';
import { SeededRandom } from '../support/random.js';
import { LATER_UPCASTS } from '../support/upcasts.js';
import { allPoisons, type Poison } from './poisons.js';
import { assertInvariant, openStage, type Stage } from './stage.js';
import { makeEvent, publishToNats } from './traffic.js';

const test = suite('Poison');

const FULL = process.env.METRICS_FAULTS === 'full';
const ROUNDS = FULL ? 3 : 1;
/** Valid events to each poison. */
const NEIGHBOURS = FULL ? 999 : 99;
const MAX_PAYLOAD = 1_048_576;
const TABLES: Readonly<Record<LogEvent['kind'], EventTable>> = {
  user: 'user_events',
  system: 'system_metrics',
  api: 'api_metrics',
};
/** A later version of the service, which knows two more shapes and one more subject. */
const LATER: CodecOptions = {
  ...codec({ subject: 'metrics.events.user.nested.*', eventType: 'nested' }),
  upcasts: LATER_UPCASTS,
};

/** A decoder that takes everything: what the later version refuses becomes an event that says so. */
function salvage(message: LogMessage): Outcome<LogEvent> {
  const decoded = decodeMessage(message, LATER);
  if (decoded.ok) return decoded;
  const { sequence, storedAtMs: occurredAtMs } = message;
  const body = { event_type: 'salvaged', metadata: { reason: decoded.refusal.reason } };
  return accept({ kind: 'user', body, id: `METRICS:${sequence}`, occurredAtMs, timeFromLog: false, sequence });
}

async function publishPoison({ jetstream }: Stage, { subject, payload, headers: given = {} }: Poison, id: string) {
  const described = headers();
  described.set('Nats-Msg-Id', id);
  for (const [name, value] of Object.entries(given)) described.set(name, value);
  await jetstream.publish(subject, payload, { headers: described });
}

/** Publishes the poisons, each among its neighbours. */
async function publishAll(stage: Stage, random: SeededRandom, poisons: readonly Poison[]): Promise<void> {
  for (const [index, poison] of poisons.entries()) {
    const neighbours = Array.from({ length: NEIGHBOURS }, (_, n) => makeEvent(random, `n-${index}-${n}`, Date.now()));
    const half = random.integer(0, NEIGHBOURS);
    await publishToNats(stage.jetstream, stage.ledger, neighbours.slice(0, half));
    await publishPoison(stage, poison, `p-${index}`);
    await publishToNats(stage.jetstream, stage.ledger, neighbours.slice(half));
  }
}

/** Projects what is new with the later version, in this process. */
async function projectLater({ pool, servers }: Stage, log: TestLog): Promise<void> {
  const store = { url: servers.database.url, pool, partitions: new Partitions(pool), close: async () => undefined };
  const projector = newProjector(log, store, { codec: LATER });
  projector.start();
  await untilProjected(log, store);
  await projector.stop();
}

/** Replays with a decoder, and enters into the book what it takes. @returns how many came in */
async function replayAll({ ledger }: Stage, log: TestLog, decode: ReplayParts['decode']): Promise<number> {
  const taken = new Map<string, EventTable>();
  const noting: ReplayParts['decode'] = (message) => {
    const decoded = decode(message);
    if (decoded.ok) taken.set(decoded.value.id, TABLES[decoded.value.kind]);
    return decoded;
  };
  const sequences = (await allLetters(log)).map(({ sequence }) => sequence);
  const told = await replay({ ...log, decode: noting, upcasts: LATER_UPCASTS, now: Date.now }, sequences);
  const count = Object.values(told).filter((outcome) => outcome === 'replayed').length;
  assert.is(count, taken.size);
  for (const [id, table] of taken) {
    ledger.enter(id, table);
    ledger.acknowledge(id);
  }
  return count;
}

function countReasons(poisons: readonly Poison[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { reason } of poisons) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

test(`fault 17: one event in ${NEIGHBOURS + 1} is poison, of every kind: parked with its reason, and brought in after the fix`, async () => {
  const random = SeededRandom.announced('poison');
  const stage = await openStage();
  const log = await openLog(stage.servers.nats.url);
  try {
    const poisons = Array.from({ length: ROUNDS }, (_, round) => allPoisons(Date.now(), round)).flat();
    await stage.pool.query(
      "alter table user_events add constraint no_poison check (event_type <> 'not_for_postgres') not valid",
    );
    await publishAll(stage, random, poisons);
    const before = await assertInvariant(stage, { verified: false });
    assert.is(before.rows, poisons.length * NEIGHBOURS);
    assert.equal(await lettersByReason(log), countReasons(poisons));

    await stage.service.end('SIGTERM');
    await stage.pool.query('alter table user_events drop constraint no_poison');
    const kept = await allLetters(log);
    const brought = await replayAll(stage, log, (message) => decodeMessage(message, LATER));
    assert.is(brought, poisons.filter(({ fixed }) => fixed).length);
    assert.equal(await lettersByReason(log), countReasons(poisons.filter(({ fixed }) => !fixed)));
    const salvaged = await replayAll(stage, log, salvage);
    assert.is(salvaged, poisons.length - brought);
    assert.equal(await allLetters(log), []);
    await projectLater(stage, log);

    await replayAgain(
      log,
      kept.map(({ logSequence }) => logSequence),
    );
    await projectLater(stage, log);
    await stage.service.start();
    const after = await assertInvariant(stage, { verified: false });
    assert.is(after.rows, poisons.length * (NEIGHBOURS + 1));
    assert.equal(await lettersByReason(log), { probe: 2 });
    console.log(
      `fault 17: ${poisons.length} poisons among ${before.rows} events: parked; ${brought} brought in after the fix, ${salvaged} by a decoder that takes all; again, and nothing was added`,
    );
  } finally {
    await log.close();
    await stage.close();
  }
});

/** As if the first replay had died before it removed the letters, longer ago than JetStream remembers their ids. */
async function replayAgain(log: TestLog, logSequences: readonly number[]): Promise<void> {
  await forgetIds(log, 'METRICS_DEADLETTERS', 'metrics.deadletter.probe');
  const originals = await Promise.all(logSequences.map((sequence) => readMessage(log.manager, 'METRICS', sequence)));
  const refusal = { reason: 'invalid_json', errors: [] } as const;
  const letters = originals.flatMap((message) => (message === undefined ? [] : [{ message, refusal }]));
  assert.is(letters.length, logSequences.length);
  await parkDeadLetters(log.appender, letters, MAX_PAYLOAD);
  const again = (await allLetters(log)).flatMap(({ kind, sequence }) => (kind === 'event' ? [sequence] : []));
  const told = await replay({ ...log, decode: salvage, upcasts: LATER_UPCASTS, now: Date.now }, again);
  assert.equal([...new Set(Object.values(told))], ['replayed']);
  assert.is(Object.keys(told).length, logSequences.length);
}

test.run();
