import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as assert from 'uvu/assert';
import { sendRaw, statusOf } from '../../support/raw-http.js';
import type { OverHttp, Special } from './rows.js';
import { AUDIENCE, type BadInputStage, ISSUER, inSeconds, tokenOf } from './stage.js';

const EVENT = '{"event_type":"forged"}';
const KIDS = 10_000;
/** The service asks for the key set no more often than that. */
const KEY_SET_COOLDOWN_S = 30;

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token with another header; its signature is that of the good one, and no good. */
async function withHeader(stage: BadInputStage, header: object): Promise<string> {
  const [, claims, signature] = (await tokenOf(stage.issuer)).split('.');
  return `${part(header)}.${claims}.${signature}`;
}

function refused(
  name: string,
  make: (stage: BadInputStage) => string | Promise<string>,
  row: OverHttp['row'] = 'B1',
): OverHttp {
  const send: OverHttp['send'] = async (stage) =>
    await stage.sendAs(await make(stage), 'POST', '/metrics/events', EVENT);
  return { row, name, send, problems: ['unauthorized'] };
}

const bearer = (name: string, make: (stage: BadInputStage) => Promise<string>, row?: OverHttp['row']): OverHttp =>
  refused(name, async (stage) => `Bearer ${await make(stage)}`, row);

/** Whatever is wrong with a token. */
export const TOKENS: readonly OverHttp[] = [
  refused('no token', () => ''),
  refused('another scheme', () => 'Basic YTpi'),
  refused('a garbled token', () => 'Bearer garbage'),
  refused('three garbled parts', () => 'Bearer a.b.c'),
  bearer('an expired token', ({ issuer }) => tokenOf(issuer, { exp: inSeconds(-10) })),
  bearer('a token that is good tomorrow', ({ issuer }) => tokenOf(issuer, { nbf: inSeconds(86_400) })),
  bearer('alg: none', async (stage) => (await withHeader(stage, { alg: 'none' })).replace(/[^.]+$/, '')),
  bearer('alg: none, with a signature', (stage) => withHeader(stage, { alg: 'none' })),
  bearer('HS256 with the public key as PEM', ({ issuer }) =>
    tokenOf(issuer, {}, new TextEncoder().encode(issuer.publicPem), { alg: 'HS256', kid: 'k1' }),
  ),
  bearer('HS256 with the public key as JWK', ({ issuer }) =>
    tokenOf(issuer, {}, new TextEncoder().encode(JSON.stringify(issuer.publicJwk)), { alg: 'HS256', kid: 'k1' }),
  ),
  bearer('the key of somebody else', async ({ issuer }) =>
    tokenOf(issuer, {}, (await generateKeyPair('ES256')).privateKey),
  ),
  bearer('a key that the token brings along', async (stage) => {
    const { publicKey } = await generateKeyPair('ES256', { extractable: true });
    return await withHeader(stage, { alg: 'ES256', kid: 'k1', jwk: await exportJWK(publicKey) });
  }),
  bearer('another issuer', ({ issuer }) => tokenOf(issuer, { iss: 'https://elsewhere.example' })),
  bearer('another audience', ({ issuer }) => tokenOf(issuer, { aud: 'billing' })),
  bearer('no exp', ({ issuer }) =>
    new SignJWT({ sub: 'tester', scope: 'metrics:write', iss: ISSUER, aud: AUDIENCE })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .sign(issuer.privateKey),
  ),
  ...['../../etc/passwd', '/dev/null', "k1' or '1'='1", 'k1"; drop table user_events; --', '__proto__', ''].map((kid) =>
    bearer(`kid ${JSON.stringify(kid)}`, (stage) => withHeader(stage, { alg: 'ES256', kid }), 'B2'),
  ),
  ...['/%6detrics/events', '//metrics/events', '/metrics/events/', '/metrics//events', '/METRICS/events'].map(
    (path): OverHttp => ({
      row: 'B5',
      name: path,
      send: (stage) => stage.sendAs('', 'POST', path, EVENT),
      problems: ['unauthorized', 'not_found'],
    }),
  ),
  {
    row: 'B4',
    name: 'the scope to write is missing',
    send: async (stage) =>
      stage.sendAs(
        `Bearer ${await tokenOf(stage.issuer, { scope: 'metrics:read' })}`,
        'POST',
        '/metrics/events',
        EVENT,
      ),
    problems: ['insufficient_scope'],
  },
  {
    row: 'B4',
    name: 'the scope to read is missing',
    send: async (stage) =>
      stage.sendAs(`Bearer ${await tokenOf(stage.issuer, { scope: 'metrics:write' })}`, 'GET', '/metrics/summary'),
    problems: ['insufficient_scope'],
  },
];

/** 10,000 tokens over one connection, each with another key id. */
async function manyKids(stage: BadInputStage): Promise<void> {
  const beganMs = performance.now();
  const fetchesBefore = stage.issuer.fetches;
  const [, claims, signature] = (await tokenOf(stage.issuer)).split('.');
  const requests = Array.from({ length: KIDS }, (_, index) => {
    const token = `${part({ alg: 'ES256', kid: `kid-${index}` })}.${claims}.${signature}`;
    const connection = index === KIDS - 1 ? 'close' : 'keep-alive';
    return `GET /metrics/summary HTTP/1.1\r\nhost: x\r\nconnection: ${connection}\r\nauthorization: Bearer ${token}\r\n\r\n`;
  });
  const text = await sendRaw(stage.client.url, [requests.join('')]);
  assert.is(text.match(/HTTP\/1\.1 401 /g)?.length, KIDS);
  assert.not.match(text, /HTTP\/1\.1 (?!401 )/);
  const seconds = (performance.now() - beganMs) / 1000;
  const fetches = stage.issuer.fetches - fetchesBefore;
  assert.ok(fetches <= 1 + Math.floor(seconds / KEY_SET_COOLDOWN_S), `${fetches} fetches in ${seconds} s`);
}

async function hugeToken(stage: BadInputStage): Promise<void> {
  const text = await sendRaw(stage.client.url, [
    `POST /metrics/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${'a'.repeat(65_536)}\r\n\r\n`,
  ]);
  assert.is(statusOf(text), 431);
  assert.match(text, /problem:headers_too_large/);
}

export const TOKEN_SPECIALS: readonly Special[] = [
  { row: 'B2', name: `${KIDS} key ids that nobody knows`, way: 'http', check: manyKids },
  { row: 'B3', name: 'a token of 64 KB', way: 'http', check: hugeToken },
];
