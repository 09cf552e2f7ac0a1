import { SignJWT } from 'jose';

export interface TokenRequest {
  readonly sub: string;
  /** Scopes, separated by spaces. */
  readonly scope: string;
  readonly ttlSeconds: number;
}

export const TOKEN_DEFAULTS: TokenRequest = {
  sub: 'operator',
  scope: 'metrics:read metrics:write',
  ttlSeconds: 86_400,
};

/** Signs a token with the service's own secret (HS256), for people at a terminal. */
export function signToken(secret: string, { sub, scope, ttlSeconds }: TokenRequest): Promise<string> {
  return new SignJWT({ scope })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.now() / 1000) + ttlSeconds)
    .sign(new TextEncoder().encode(secret));
}
