/**
 * Sends the same requests again and again over so many connections, each as soon as the one before is answered, and reads no
 * more of an answer than its status and its length: so it takes a fraction of the core that a client for all purposes would.
 * `node http-load-process.js` reads a `Load` from standard input and prints a `Loaded`. It fails on any other status than that.
 */
import { connect, type Socket } from 'node:net';
import { json } from 'node:stream/consumers';
import type { Load, Loaded } from './http-load.js';

const HEAD_END = Buffer.from('\r\n\r\n');
const STATUS = /^HTTP\/1\.1 (\d+)/;
const LENGTH = /\r\ncontent-length: (\d+)/i;

const { url, headers, connections, seconds, bodies, status: expected = 200 } = (await json(process.stdin)) as Load;
const { hostname, port, pathname, search } = new URL(url);
const messages = bodies === undefined ? [messageOf('GET')] : bodies.map((body) => messageOf('POST', body));

function messageOf(method: string, body?: string): Buffer {
  const all = {
    host: `${hostname}:${port}`,
    ...headers,
    ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from([`${method} ${pathname}${search} HTTP/1.1`, ...lines, '', body ?? ''].join('\r\n'));
}

let sent = 0;
let answered = 0;
let requests = 0;

/** Bytes of the answer that are still to come; undefined where its head is not whole yet. */
function missingBytes(received: Buffer): number | undefined {
  const end = received.indexOf(HEAD_END);
  if (end < 0) return undefined;
  const head = received.toString('latin1', 0, end);
  const [, status] = STATUS.exec(head) ?? [];
  const [, length] = LENGTH.exec(head) ?? [];
  if (status !== String(expected) || length === undefined) {
    throw new Error(`An answer was not as expected: ${received.toString('utf8', 0, 1_000)}`);
  }
  return Number(length) - (received.length - end - HEAD_END.length);
}

function keepAsking(socket: Socket, untilMs: number): void {
  let head = Buffer.alloc(0);
  let missing: number | undefined;
  const send = (): void => {
    const message = messages[sent % messages.length];
    sent += 1;
    if (message !== undefined) socket.write(message);
  };
  send();
  socket.on('data', (data) => {
    if (missing === undefined) {
      head = head.length === 0 ? data : Buffer.concat([head, data]);
      missing = missingBytes(head);
    } else {
      missing -= data.length;
    }
    if (missing === undefined || missing > 0) return;
    if (missing < 0) throw new Error('An answer is longer than it says');
    answered += 1;
    if (performance.now() >= untilMs) return void socket.destroy();
    requests += 1;
    head = Buffer.alloc(0);
    missing = undefined;
    send();
  });
  socket.on('error', (error) => {
    throw error;
  });
  socket.on('end', () => {
    throw new Error('The server has closed a connection');
  });
}

const sockets = await Promise.all(
  Array.from({ length: connections }, async () => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return socket;
  }),
);
const [startMs, cpuBefore] = [performance.now(), process.cpuUsage()];
const closed = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
for (const socket of sockets) keepAsking(socket, startMs + seconds * 1000);
await Promise.all(closed);
const tookSeconds = (performance.now() - startMs) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
const loaded: Loaded = { requests, answered, seconds, tookSeconds, ownCpuSeconds: (user + system) / 1e6 };
console.log(JSON.stringify(loaded));
