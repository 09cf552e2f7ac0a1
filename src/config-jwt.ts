import { createPublicKey, type KeyObject } from 'node:crypto';
import type { EnvReader } from './config-reader.js';
import { MIN_KEY_BYTES } from './config-secrets.js';

/** Signature algorithms that a token may have with a public key; with a secret it is HS256. */
export const PUBLIC_KEY_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;
export type PublicKeyAlgorithm = (typeof PUBLIC_KEY_ALGORITHMS)[number];

/** What tokens' signatures are checked against. One algorithm is allowed at a time. */
export type JwtKeySource =
  | { readonly from: 'secret'; readonly secret: string }
  | { readonly from: 'jwks'; readonly url: URL; readonly algorithm: PublicKeyAlgorithm }
  | { readonly from: 'public_key'; readonly pem: string; readonly algorithm: PublicKeyAlgorithm };

export interface JwtConfig {
  readonly key: JwtKeySource;
  readonly issuer?: string;
  readonly audience?: string;
  readonly enforceScopes: boolean;
}

const MIN_RSA_BITS = 2048;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** Reads whom tokens have to be signed by. */
export function readJwt(read: EnvReader): JwtConfig {
  return {
    key: readKey(read),
    ...read.optional('issuer', 'JWT_ISSUER'),
    ...read.optional('audience', 'JWT_AUDIENCE'),
    enforceScopes: read.boolean('JWT_ENFORCE_SCOPES', false),
  };
}

function readKey(read: EnvReader): JwtKeySource {
  const secret = read.raw('JWT_SECRET');
  const jwksUrl = read.raw('JWT_JWKS_URL');
  const pem = read.raw('JWT_PUBLIC_KEY');
  const given = [secret, jwksUrl, pem].filter((value) => value !== undefined).length;
  if (given !== 1) {
    read.problem('JWT_SECRET', 'or JWT_JWKS_URL or JWT_PUBLIC_KEY must be set: exactly one of them');
  }
  if (jwksUrl !== undefined) {
    if (/^https?:/.test(jwksUrl) && URL.canParse(jwksUrl)) {
      return { from: 'jwks', url: new URL(jwksUrl), algorithm: readAlgorithm(read) };
    }
    read.problem('JWT_JWKS_URL', 'must be a URL that begins with https:// or http://');
  }
  if (pem !== undefined) return readPublicKey(read, pem.replaceAll('\\n', '\n'));
  if (secret !== undefined) read.checkSecret('JWT_SECRET', secret, MIN_KEY_BYTES);
  return { from: 'secret', secret: secret ?? '' };
}

function readAlgorithm(read: EnvReader): PublicKeyAlgorithm {
  const name = read.text('JWT_ALGORITHM', 'RS256');
  const known = PUBLIC_KEY_ALGORITHMS.find((algorithm) => algorithm === name);
  if (known !== undefined) return known;
  read.problem('JWT_ALGORITHM', `must be one of ${PUBLIC_KEY_ALGORITHMS.join(', ')}`);
  return 'RS256';
}

function readPublicKey(read: EnvReader, pem: string): JwtKeySource {
  const algorithm = readAlgorithm(read);
  const fault = faultOf(pem, algorithm);
  if (fault !== undefined) read.problem('JWT_PUBLIC_KEY', fault);
  return { from: 'public_key', pem, algorithm };
}

/** Why a key cannot check signatures of the algorithm; undefined where it can. */
function faultOf(pem: string, algorithm: PublicKeyAlgorithm): string | undefined {
  // Its public half could be computed; but here it has no business, and who put it here should know.
  if (PRIVATE_KEY.test(pem)) return 'is a private key; who holds it can sign tokens, and it does not belong here';
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    return 'must be a public key in PEM';
  }
  return isKeyFor(key, algorithm) ? undefined : `is no key for ${algorithm}`;
}

function isKeyFor({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject, name: PublicKeyAlgorithm) {
  switch (name) {
    case 'RS256':
      return type === 'rsa' && (details?.modulusLength ?? 0) >= MIN_RSA_BITS;
    case 'ES256':
      return type === 'ec' && details?.namedCurve === 'prime256v1';
    case 'EdDSA':
      return type === 'ed25519';
  }
}
