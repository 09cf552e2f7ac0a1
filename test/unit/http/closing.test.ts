import 'reflect-metadata';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createHttpServer } from '../../../src/http/server.js';

const test = suite('a server that is closed');

class Nothing {}

test('does not wait for a connection that a browser has opened ahead', async () => {
  const app = await createHttpServer({ module: Nothing }, { canActivate: () => true }, pino({ level: 'silent' }));
  await app.listen(0, '127.0.0.1');
  const socket = connect((app.getHttpServer().address() as AddressInfo).port, '127.0.0.1');
  let received = '';
  socket.on('data', (data: Buffer) => {
    received += data.toString();
  });
  socket.on('error', () => undefined);
  await Promise.all([once(socket, 'connect'), once(app.getHttpServer(), 'connection')]);
  const ended = new Promise((resolve) => socket.once('close', resolve));
  await app.close();
  await ended;
  // Who waits for a first request tells, in the end, that it is overdue.
  assert.is(received, '');
});

test.run();
