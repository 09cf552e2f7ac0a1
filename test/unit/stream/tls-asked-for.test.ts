import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createPublisher } from '../../../src/client/index.js';
import { loadServersConfig } from '../../../src/config.js';
import { connectNats } from '../../../src/stream/connection.js';
import { waitFor } from '../../support/servers.js';

const test = suite('NATS at an address that begins with tls://');

/** A server, or somebody in its place, who offers no TLS and would like to hear passwords. */
let server: Server;
let heard = '';
let calls = 0;
test.before(async () => {
  server = createServer((socket) => {
    calls += 1;
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      heard += data.toString('latin1');
    });
    const info = {
      server_id: 'x',
      version: '2.10.0',
      proto: 1,
      headers: true,
      max_payload: 1_048_576,
      jetstream: true,
    };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
test.after(() => {
  server.close();
});

function address(): string {
  const { port }: Pick<AddressInfo, 'port'> = Object(server.address());
  return `tls://user:hunter2@localhost:${port}`;
}

test('is told nothing in the clear by the service', async () => {
  const { nats } = loadServersConfig({ NATS_URL: address() });
  const before = calls;
  const outcome = await connectNats(nats, 'the test').then(() => 'connected', String);
  assert.match(outcome, /tls/i);
  assert.ok(calls > before);
  assert.is(heard, '');
});

test('nor by a publisher', async () => {
  const before = calls;
  const publisher = createPublisher({ service: 'shop', servers: address() });
  publisher.system({ metric_name: 'n', value: 1 });
  await waitFor('a second call', () => (calls > before + 1 ? true : undefined));
  await publisher.close(100);
  assert.is(publisher.stats().stored, 0);
  assert.is(heard, '');
});

test.run();
