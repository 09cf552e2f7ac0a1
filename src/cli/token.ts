import { SignJWT } from 'jose';
import type { Config } from '../config.js';

export interface TokenRequest {
  readonly sub: string;
  /** Scopes, separated by spaces. */
  readonly scope: string;
  readonly ttlSeconds: number;
  /** Needed where JWT_ISSUER and JWT_AUDIENCE are set. */
  readonly issuer?: string;
  readonly audience?: string;
}

export const TOKEN_DEFAULTS: TokenRequest = {
  sub: 'operator',
  scope: 'metrics:read metrics:write',
  ttlSeconds: 86_400,
};

/** Signs a token with the service's own secret (HS256), for people at a terminal. */
export function signToken(secret: string, request: TokenRequest): Promise<string> {
  const { sub, scope, ttlSeconds, issuer, audience } = request;
  const token = new SignJWT({ scope })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.now() / 1000) + ttlSeconds);
  if (issuer !== undefined) token.setIssuer(issuer);
  if (audience !== undefined) token.setAudience(audience);
  return token.sign(new TextEncoder().encode(secret));
}

/** A token that a service with this configuration accepts; undefined where only somebody else can sign one. */
export async function signTokenFor(
  { key, issuer, audience }: Config['jwt'],
  request: TokenRequest,
): Promise<string | undefined> {
  if (key.from !== 'secret') return undefined;
  const claims = { ...(issuer === undefined ? {} : { issuer }), ...(audience === undefined ? {} : { audience }) };
  return await signToken(key.secret, { ...request, ...claims });
}
