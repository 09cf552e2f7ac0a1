/**
 * The least that appends events to JetStream as fast as it takes them: bodies that are encoded before, so many in flight, and
 * one subscription that counts the acknowledgements. No HTTP. `node publisher.js <url of NATS> <seconds> <seconds before, not
 * counted>` prints a `Published`.
 */
import { randomUUID } from 'node:crypto';
import { connect, createInbox, headers } from 'nats';
import { batchEvents } from '../batch-events.js';

export interface Published {
  /** Published and acknowledged in so many seconds. */
  readonly events: number;
  readonly seconds: number;
  /** With those of the seconds before. */
  readonly acknowledged: number;
  /** Of a core, without the seconds before. */
  readonly cpuSeconds: number;
}

const MAX_IN_FLIGHT = 8_192;
const [url = '', seconds, warmUpSeconds] = process.argv.slice(2);
const messages = batchEvents()
  .flat()
  .map(({ kind, body }) => ({
    subject: `metrics.events.${kind}.${'event_type' in body ? body.event_type : body.service_name}`,
    payload: Buffer.from(JSON.stringify(body)),
  }));
const connection = await connect({ servers: url });
const inbox = createInbox();
let published = 0;
let acknowledged = 0;
let publishUntilMs = 0;
let whenDone: () => void = () => undefined;

connection.subscribe(inbox, {
  callback: (_error, message) => {
    const ack = message.json<{ readonly seq?: number }>();
    if (ack.seq === undefined) throw new Error(message.string());
    acknowledged += 1;
    fill();
  },
});

/** Keeps as many in flight as may be. A quarter of them at a time, so that they leave in few writes. */
function fill(): void {
  if (performance.now() >= publishUntilMs) {
    if (published === acknowledged) whenDone();
    return;
  }
  if (published - acknowledged > (MAX_IN_FLIGHT * 3) / 4) return;
  for (; published - acknowledged < MAX_IN_FLIGHT; published += 1) {
    const message = messages[published % messages.length];
    if (message === undefined) throw new Error('There are no events');
    const all = headers();
    all.set('Nats-Msg-Id', randomUUID());
    connection.publish(message.subject, message.payload, { reply: inbox, headers: all });
  }
}

/** Publishes for so long, and waits for what is in flight then. */
async function publishFor(forSeconds: number): Promise<Omit<Published, 'acknowledged'>> {
  const [before, cpuBefore, startedMs] = [acknowledged, process.cpuUsage(), performance.now()];
  publishUntilMs = startedMs + forSeconds * 1000;
  await new Promise<void>((resolve) => {
    whenDone = resolve;
    fill();
  });
  const { user, system } = process.cpuUsage(cpuBefore);
  const tookSeconds = (performance.now() - startedMs) / 1000;
  return { events: acknowledged - before, seconds: tookSeconds, cpuSeconds: (user + system) / 1e6 };
}

await publishFor(Number(warmUpSeconds));
const all: Published = { ...(await publishFor(Number(seconds))), acknowledged };
console.log(JSON.stringify(all));
await connection.close();
