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

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

test('headers that name a key, ask for what is not understood, or spell an algorithm otherwise are rejected', async () => {
  const attacker = await generateKeyPair('ES256', { extractable: true });
  const attackersJwk = await exportJWK(attacker.publicKey);
  const { publicKey } = await generateKeyPair('ES256', { extractable: true });
  const { publicKey: rsa } = await generateKeyPair('RS256', { extractable: true });
  const keys = [
    { ...(await exportJWK(publicKey)), kid: 'k1' },
    { ...(await exportJWK(rsa)), kid: 'rsa' },
    { kty: 'oct', k: Buffer.from(SECRET).toString('base64url'), kid: 'oct' },
  ];
  const { url, fetches, server } = await serveKeys(() => ({ status: 200, body: { keys } }));
  const pem = await exportSPKI(publicKey);
  const verifiers = [
    verifierOf({ key: { from: 'jwks', url, algorithm: 'ES256' } }),
    verifierOf({ key: { from: 'public_key', pem, algorithm: 'ES256' } }),
    verifierOf(),
  ];
  const es256 = { alg: 'ES256', kid: 'k1' };
  const signed = async (header: object): Promise<string> =>
    await new SignJWT(CLAIMS).setProtectedHeader({ ...es256, ...header }).sign(attacker.privateKey);
  const forged = (header: object): string => `${part(header)}.${part(CLAIMS)}.${'A'.repeat(86)}`;
  const tokens = [
    await signed({ jwk: attackersJwk }),
    await signed({ jku: 'https://attacker.example/keys' }),
    await signed({ x5u: 'https://attacker.example/cert', x5c: ['AAAA'] }),
    forged({ ...es256, crit: ['exp'], exp: 1 }),
    forged({ ...es256, b64: false, crit: ['b64'] }),
    ...['none', 'None', 'nOnE', '', 'es256', 'ES256 ', 'ES384', 'HS512', 'dir', 5, null, ['ES256']].map((alg) =>
      forged({ ...es256, alg }),
    ),
    ...[5, null, {}, [], '', '../k1', '/dev/null', 'k1\u0000', "k1' or '1'='1", '__proto__', 'k'.repeat(5_000)].map(
      (kid) => forged({ ...es256, kid }),
    ),
    await sign(CLAIMS, new TextEncoder().encode(pem), 'HS256', 'k1'),
    `${part(es256)}.${part(CLAIMS)}.`,
    `${part(es256)}.${part(CLAIMS)}`,
    `${part({ alg: 'dir', enc: 'A256GCM' })}..AAAA.${part(CLAIMS)}.AAAA`,
    `${part([])}.${part([])}.AAAA`,
    `${part(es256)}.${part('text')}.${'A'.repeat(86)}`,
    '..',
    '.'.repeat(5_000),
  ];
  try {
    for (const [index, verifier] of verifiers.entries()) {
      for (const token of tokens) {
        assert.is((await verifier.verify(token)).kind, 'rejected', `${index}: ${token.slice(0, 200)}`);
      }
      assert.equal(verifier.remembered, { tokens: 0, characters: 0 });
    }
    // And the secret of a key set is none for tokens.
    const [byKeySet] = verifiers;
    assert.is((await byKeySet?.verify(await sign(CLAIMS, SECRET_BYTES, 'HS256', 'oct')))?.kind, 'rejected');
    assert.is(fetches(), 1, 'whatever they name, keys come from where we ask for them, once');
  } finally {
    server.close();
  }
});

test('claims that are no numbers, or say nothing, are rejected', async () => {
  const claims: object[] = [{ sub: '' }, { sub: 5 }, { sub: null }, { exp: '9999999999' }, { exp: null }, { exp: -1 }];
  claims.push({ exp: NOW_S }, { nbf: 'now' }, { nbf: NOW_S + 1 });
  for (const claim of claims) {
    const token = await sign({ ...CLAIMS, ...claim } as JWTPayload);
    assert.is((await verifierOf().verify(token)).kind, 'rejected', JSON.stringify(claim));
  }
});

test('a remembered token is rejected once its key has gone; the key that takes its place is found by itself', async () => {
  const [one, other] = [
    await generateKeyPair('ES256', { extractable: true }),
    await generateKeyPair('ES256', { extractable: true }),
  ];
  const jwkOf = async (pair: typeof one, kid: string) => ({ ...(await exportJWK(pair.publicKey)), kid, alg: 'ES256' });
  let body = { keys: [await jwkOf(one, 'one')] };
  const { url, fetches, server } = await serveKeys(() => ({ status: 200, body }));
  const key = { from: 'jwks', url, algorithm: 'ES256' } as const;
  try {
    const verifier = verifierOf({ key, keySetTimes: { cooldownMs: 0, maxAgeMs: 600_000 } });
    const byOne = await sign(CLAIMS, one.privateKey, 'ES256', 'one');
    const byOther = await sign(CLAIMS, other.privateKey, 'ES256', 'other');
    for (const _round of [1, 2, 3]) assert.is((await verifier.verify(byOne)).kind, 'verified');
    assert.equal([fetches(), verifier.remembered.tokens], [1, 1]);

    assert.is((await verifier.verify(byOther)).kind, 'rejected');
    assert.equal([fetches(), verifier.remembered.tokens], [2, 1], 'the same keys again: nothing to forget');
    assert.is((await verifier.verify(byOne)).kind, 'verified');

    body = { keys: [await jwkOf(other, 'other')] };
    assert.is((await verifier.verify(byOther)).kind, 'verified', 'the new key is fetched');
    assert.is(
      (await verifier.verify(byOne)).kind,
      'rejected',
      'the old one is gone, although its token was remembered',
    );

    // The same name for another key.
    body = { keys: [await jwkOf(one, 'other')] };
    await verifier.verify(byOne);
    assert.is((await verifier.verify(byOther)).kind, 'rejected');
  } finally {
    server.close();
  }
});

test('keys that are too old are fetched before a remembered token is taken', async () => {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1' };
  let keys = [jwk];
  const { url, server } = await serveKeys(() => ({ status: 200, body: { keys } }));
  const key = { from: 'jwks', url, algorithm: 'EdDSA' } as const;
  try {
    // They are too old at once.
    const verifier = verifierOf({ key, keySetTimes: { cooldownMs: 0, maxAgeMs: 0 } });
    const token = await sign(CLAIMS, privateKey, 'EdDSA', 'k1');
    for (const _round of [1, 2]) assert.is((await verifier.verify(token)).kind, 'verified');
    keys = [];
    assert.is((await verifier.verify(token)).kind, 'rejected');
  } finally {
    server.close();
  }
});

test('ten thousand key ids make one fetch, and what is remembered is bounded', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1' };
  const { url, fetches, server } = await serveKeys(() => ({ status: 200, body: { keys: [jwk] } }));
  try {
    const verifier = verifierOf({ key: { from: 'jwks', url, algorithm: 'ES256' } });
    const token = await sign(CLAIMS, privateKey, 'ES256', 'k1');
    const [, payload, signature] = token.split('.');
    for (let index = 0; index < 10_000; index += 1) {
      const forged = `${part({ alg: 'ES256', kid: `kid-${index}` })}.${payload}.${signature}`;
      if ((await verifier.verify(forged)).kind !== 'rejected') throw new Error('taken');
    }
    assert.equal([fetches(), verifier.remembered.tokens], [1, 0]);
  } finally {
    server.close();
  }
});

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** Another letter whose bits differ where a signature of 32 bytes has none. */
const sameBytes = (letter: string): string => ALPHABET[ALPHABET.indexOf(letter) ^ 1] ?? '';

test('a token has one spelling, so that its bearer does not have many', async () => {
  const verifier = verifierOf();
  const token = await sign(CLAIMS);
  const spellings: readonly [what: string, spelling: string][] = [
    ['padded', `${token}=`],
    ['with a tab behind it', `${token}\t`],
    ['with a tab within', `${token.slice(0, -5)}\t${token.slice(-5)}`],
    ['with a line break', `${token.slice(0, -5)}\n${token.slice(-5)}`],
    ['with bits that stand for nothing', token.slice(0, -1) + sameBytes(token.slice(-1))],
    ['with a fourth part', `${token}.`],
  ];
  for (const [what, spelling] of spellings) {
    assert.is((await verifier.verify(spelling)).kind, 'rejected', what);
  }
  assert.is((await verifier.verify(token)).kind, 'verified');
  assert.is(verifier.remembered.tokens, 1);
});

test('few long tokens or many short ones: the oldest make place', async () => {
  const verifier = verifierOf();
  const long = 'x'.repeat(11_000);
  for (let index = 0; index < 1_300; index += 1) {
    await verifier.verify(await sign({ ...CLAIMS, jti: `${index}`, long }));
  }
  const { tokens, characters } = verifier.remembered;
  assert.ok(characters <= 16_777_216 && characters > 16_700_000, `${characters}`);
  assert.ok(tokens < 1_300 && tokens > 1_000, `${tokens}`);
});

test.run();
