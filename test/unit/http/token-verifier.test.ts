import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TokenVerifier, type TokenVerifierOptions } from '../../../src/http/auth/token-verifier.js';

const test = suite('TokenVerifier');

const NOW_MS = Date.UTC(2026, 10, 24, 12);
const NOW_S = NOW_MS / 1000;
const SECRET = 'a secret for tests that has more than 32 bytes';
const SECRET_BYTES = new TextEncoder().encode(SECRET);
const CLAIMS: JWTPayload = { sub: 'somebody', exp: NOW_S + 60, scope: 'metrics:read other' };

function verifierOf(options: Partial<TokenVerifierOptions> = {}): TokenVerifier {
  return new TokenVerifier({ key: { from: 'secret', secret: SECRET }, now: () => NOW_MS, ...options });
}

function sign(claims: JWTPayload, key: Parameters<SignJWT['sign']>[0] = SECRET_BYTES, alg = 'HS256', kid?: string) {
  return new SignJWT(claims).setProtectedHeader(kid === undefined ? { alg } : { alg, kid }).sign(key);
}

function unsigned(claims: JWTPayload): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part(claims)}.`;
}

test('a good token tells its subject and its scopes, the second time from memory', async () => {
  const verifier = verifierOf();
  const token = await sign(CLAIMS);
  for (const _round of [1, 2]) {
    const verification = await verifier.verify(token);
    if (verification.kind !== 'verified') throw new Error(verification.kind);
    assert.is(verification.identity.subject, 'somebody');
    assert.equal([...verification.identity.scopes], ['metrics:read', 'other']);
  }
});

test('tokens that are no good are rejected', async () => {
  const { privateKey } = await generateKeyPair('RS256');
  const withoutExp = { sub: 'a' };
  const cases: [string, string][] = [
    ['garbage', 'garbage'],
    ['three parts of garbage', 'a.b.c'],
    ['another secret', await sign(CLAIMS, new TextEncoder().encode('another secret, as long as it has to be'))],
    ['expired', await sign({ ...CLAIMS, exp: NOW_S - 1 })],
    ['not yet valid', await sign({ ...CLAIMS, nbf: NOW_S + 60 })],
    ['no exp', await sign(withoutExp)],
    ['no sub', await sign({ exp: NOW_S + 60 })],
    ['alg none', unsigned(CLAIMS)],
    ['another algorithm', await sign(CLAIMS, privateKey, 'RS256')],
    [
      'a changed claim',
      `${(await sign(CLAIMS)).replace(/\.[^.]+\./, `.${Buffer.from('{"sub":"root","exp":9999999999}').toString('base64url')}.`)}`,
    ],
    ['64 KB', `${'a'.repeat(65_536)}.b.c`],
  ];
  for (const [name, token] of cases) {
    assert.is((await verifierOf().verify(token)).kind, 'rejected', name);
  }
});

test('a token that was remembered is rejected once it has expired', async () => {
  let nowMs = NOW_MS;
  const verifier = verifierOf({ now: () => nowMs });
  const token = await sign(CLAIMS);
  assert.is((await verifier.verify(token)).kind, 'verified');
  nowMs += 61_000;
  assert.is((await verifier.verify(token)).kind, 'rejected');
});

test('issuer and audience are checked where they are set', async () => {
  const verifier = verifierOf({ issuer: 'https://issuer', audience: 'metrics' });
  const good = await sign({ ...CLAIMS, iss: 'https://issuer', aud: 'metrics' });
  assert.is((await verifier.verify(good)).kind, 'verified');
  for (const claims of [{ iss: 'https://else', aud: 'metrics' }, { iss: 'https://issuer', aud: 'else' }, {}]) {
    assert.is((await verifier.verify(await sign({ ...CLAIMS, ...claims }))).kind, 'rejected');
  }
});

for (const algorithm of ['RS256', 'ES256', 'EdDSA'] as const) {
  test(`${algorithm} is verified by a public key, which is no HMAC secret`, async () => {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const pem = await exportSPKI(publicKey);
    const verifier = verifierOf({ key: { from: 'public_key', pem, algorithm } });
    assert.is((await verifier.verify(await sign(CLAIMS, privateKey, algorithm))).kind, 'verified');
    const confused = await sign(CLAIMS, new TextEncoder().encode(pem));
    assert.is((await verifier.verify(confused)).kind, 'rejected');
  });
}

test('a public key that is none is told at start', async () => {
  const verifier = verifierOf({ key: { from: 'public_key', pem: 'nothing', algorithm: 'RS256' } });
  let told = false;
  await verifier.ready().catch(() => {
    told = true;
  });
  assert.ok(told);
});

/** A key set's server that counts its requests. */
async function serveKeys(
  answer: () => { status: number; body: unknown },
): Promise<{ url: URL; fetches: () => number; server: Server }> {
  let fetches = 0;
  const server = createServer((_request, response) => {
    fetches += 1;
    const { status, body } = answer();
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: new URL(`http://127.0.0.1:${port}/keys`), fetches: () => fetches, server };
}

test('keys come from a key set; unknown and hostile key ids are rejected with one fetch', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' };
  const { url, fetches, server } = await serveKeys(() => ({ status: 200, body: { keys: [jwk] } }));
  try {
    const verifier = verifierOf({ key: { from: 'jwks', url, algorithm: 'ES256' } });
    assert.is((await verifier.verify(await sign(CLAIMS, privateKey, 'ES256', 'k1'))).kind, 'verified');
    const hostile = ['../../etc/passwd', "' or 1=1 --", ...Array.from({ length: 100 }, (_, index) => `kid-${index}`)];
    for (const kid of hostile) {
      assert.is((await verifier.verify(await sign(CLAIMS, privateKey, 'ES256', kid))).kind, 'rejected', kid);
    }
    assert.is(fetches(), 1);
  } finally {
    server.close();
  }
});

test('a key server that fails is not the fault of the token', async () => {
  const { privateKey } = await generateKeyPair('ES256');
  const { url, fetches, server } = await serveKeys(() => ({ status: 500, body: {} }));
  const verifier = verifierOf({ key: { from: 'jwks', url, algorithm: 'ES256' } });
  const token = await sign(CLAIMS, privateKey, 'ES256', 'k1');
  try {
    for (let round = 0; round < 20; round += 1) {
      assert.is((await verifier.verify(token)).kind, 'keys_unavailable');
    }
    assert.is(fetches(), 1);
  } finally {
    server.close();
  }
  await new Promise((resolve) => server.once('close', resolve));
  assert.is((await verifier.verify(token)).kind, 'keys_unavailable');
});

test.run();
