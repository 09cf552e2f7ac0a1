import 'reflect-metadata';
import { Writable } from 'node:stream';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { unauthorized } from '../../../src/http/auth/jwt-guard.js';
import { RateLimiter } from '../../../src/http/auth/rate-limiter.js';
import type { Identity } from '../../../src/http/auth/token-verifier.js';
import { addEventRoutes } from '../../../src/http/event-routes.js';
import { BodyBudget } from '../../../src/http/overload.js';
import { createHttpServer } from '../../../src/http/server.js';

const test = suite('the routes that take events');

class Nothing {}

const IDENTITY: Identity = { subject: 'somebody', scopes: new Set(), expiresAtMs: Number.MAX_SAFE_INTEGER };
const TOKEN = { authorization: 'Bearer good' };
const EVENT = { 'content-type': 'application/json' };
const logged: string[] = [];
const asked: unknown[] = [];
const context: { app?: NestFastifyApplication } = {};

test.before(async () => {
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      logged.push(String(chunk));
      done();
    },
  });
  const logger = pino(sink);
  const app = await createHttpServer({ module: Nothing }, { canActivate: () => true }, logger);
  const commandBus = {
    execute: (command: unknown) => {
      asked.push(command);
      return Promise.reject(new Error('what the client shall not read'));
    },
  };
  const guard = {
    admit: ({ headers }: { headers: { authorization?: string | undefined } }) => {
      if (headers.authorization === undefined) throw unauthorized('No bearer token was sent', undefined);
      return headers.authorization === TOKEN.authorization
        ? IDENTITY
        : Promise.reject(unauthorized('The token is not valid', 'invalid_token'));
    },
  };
  const rates = new RateLimiter({ requests: 1_000, windowSeconds: 1 });
  const bodies = new BodyBudget(1_000_000, () => undefined);
  const parts = { commandBus, guard, rates, bodies, retentionDays: 90, now: Date.now, logger };
  addEventRoutes(app.getHttpAdapter().getInstance(), parts);
  await app.init();
  context.app = app;
});
test.after(() => context.app?.close());

async function send(method: 'GET' | 'POST', url: string, headers: Record<string, string>) {
  const payload = '{"event_type":"a","events":[{"event_type":"a"}]}';
  const answer = await context.app?.inject({ method, url, headers: { ...EVENT, ...headers }, payload });
  if (answer === undefined) throw new Error('not started');
  return answer;
}

for (const url of ['/metrics/events', '/metrics/events/batch']) {
  test(`${url}: what fails is told as a problem, and its cause to the log alone`, async () => {
    logged.length = 0;
    const answer = await send('POST', url, TOKEN);
    assert.is(answer.statusCode, 500);
    assert.is(answer.headers['content-type'], 'application/problem+json');
    assert.is(answer.headers['x-content-type-options'], 'nosniff');
    assert.ok(answer.body.includes('internal_error') && !answer.body.includes('shall not read'), answer.body);
    assert.ok(logged.some((line) => line.includes('shall not read')));
  });

  test(`${url}: who is not let in, at once or later, reaches no command`, async () => {
    asked.length = 0;
    for (const headers of [{}, { authorization: 'Bearer bad' }]) {
      const answer = await send('POST', url, headers);
      assert.is(answer.statusCode, 401);
      assert.match(String(answer.headers['www-authenticate']), /^Bearer realm=/);
    }
    assert.equal(asked, []);
  });

  test(`${url}: another method is told which one there is`, async () => {
    const answer = await send('GET', url, TOKEN);
    assert.equal([answer.statusCode, answer.headers.allow], [405, 'POST']);
  });
}

test.run();
