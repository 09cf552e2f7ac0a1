import {
  createRemoteJWKSet,
  customFetch,
  errors,
  type FetchImplementation,
  importSPKI,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose';
import type { JwtKeySource } from '../../config.js';

/** What a verified token says about its bearer. */
export interface Identity {
  readonly subject: string;
  readonly scopes: ReadonlySet<string>;
  /** Milliseconds since 1970; what goes on for longer has to end then. */
  readonly expiresAtMs: number;
}

export type Verification =
  | { readonly kind: 'verified'; readonly identity: Identity }
  /** The token is no good; `detail` may be told to its bearer. */
  | { readonly kind: 'rejected'; readonly detail: string }
  /** The keys cannot be had now; whether the token is good is unknown. */
  | { readonly kind: 'keys_unavailable' };

export interface TokenVerifierOptions {
  readonly key: JwtKeySource;
  readonly issuer?: string;
  readonly audience?: string;
  readonly now: () => number;
}

const MAX_CACHED_TOKENS = 10_000;
/** A key that was withdrawn is noticed after this, although its tokens are remembered as verified. */
const CACHE_MAX_AGE_MS = 300_000;
const JWKS_COOLDOWN_MS = 30_000;
const JWKS_TIMEOUT_MS = 5_000;
/** A token longer than this is not looked at; Node.js refuses headers beyond 16 KB anyway. */
const MAX_TOKEN_CHARACTERS = 16_384;

interface Cached {
  readonly identity: Identity;
  readonly untilMs: number;
}

type Verify = (token: string, options: JWTVerifyOptions) => Promise<{ readonly payload: JWTPayload }>;

/**
 * Verifies bearer tokens with one key source and one algorithm, so that a public key is never taken for an HMAC secret.
 * Verified tokens are remembered until they expire, and 5 minutes at most; checking a signature each time would cost
 * more than all else that a request does.
 */
export class TokenVerifier {
  readonly #cache = new Map<string, Cached>();
  readonly #verify: Promise<Verify>;

  constructor(private readonly options: TokenVerifierOptions) {
    this.#verify = makeVerify(options.key);
    // A public key that cannot be read is told by `ready`; until somebody asks, Node must not call it unhandled.
    this.#verify.catch(() => undefined);
  }

  /** Resolves when the key is usable. @throws where the configured key is no key of its algorithm */
  async ready(): Promise<void> {
    await this.#verify;
  }

  async verify(token: string): Promise<Verification> {
    const nowMs = this.options.now();
    const cached = this.#cache.get(token);
    if (cached !== undefined && cached.untilMs > nowMs) return { kind: 'verified', identity: cached.identity };
    if (cached !== undefined) this.#cache.delete(token);
    if (token.length > MAX_TOKEN_CHARACTERS) return { kind: 'rejected', detail: 'The token is too long' };
    return await this.#verifyAnew(token, nowMs);
  }

  async #verifyAnew(token: string, nowMs: number): Promise<Verification> {
    const { issuer, audience, key } = this.options;
    const verify = await this.#verify;
    try {
      const { payload } = await verify(token, {
        algorithms: [key.from === 'secret' ? 'HS256' : key.algorithm],
        requiredClaims: ['exp', 'sub'],
        currentDate: new Date(nowMs),
        ...(issuer === undefined ? {} : { issuer }),
        ...(audience === undefined ? {} : { audience }),
      });
      const identity = toIdentity(payload);
      if (identity === undefined) return { kind: 'rejected', detail: 'The claim "sub" must be a string' };
      this.#remember(token, { identity, untilMs: Math.min(identity.expiresAtMs, nowMs + CACHE_MAX_AGE_MS) });
      return { kind: 'verified', identity };
    } catch (error) {
      return classify(error);
    }
  }

  /** A Map keeps the order of insertion, so the first entry is the oldest. */
  #remember(token: string, entry: Cached): void {
    const oldest = this.#cache.size >= MAX_CACHED_TOKENS ? this.#cache.keys().next() : undefined;
    if (oldest?.done === false) this.#cache.delete(oldest.value);
    this.#cache.set(token, entry);
  }
}

async function makeVerify(key: JwtKeySource): Promise<Verify> {
  switch (key.from) {
    case 'secret': {
      const secret = new TextEncoder().encode(key.secret);
      return (token, options) => jwtVerify(token, secret, options);
    }
    case 'public_key': {
      const publicKey = await importSPKI(key.pem, key.algorithm);
      return (token, options) => jwtVerify(token, publicKey, options);
    }
    case 'jwks': {
      const keySet = createRemoteJWKSet(key.url, {
        cooldownDuration: JWKS_COOLDOWN_MS,
        timeoutDuration: JWKS_TIMEOUT_MS,
        [customFetch]: fetchOnceInAWhile(),
      });
      return (token, options) => jwtVerify(token, keySet, options);
    }
  }
}

/**
 * jose's own cooldown begins with a fetch that went well. This one also begins with one that did not, so that a key server
 * in trouble is not asked again for each token that comes.
 */
function fetchOnceInAWhile(): FetchImplementation {
  let failedUntilMs = 0;
  return async (url, options) => {
    if (performance.now() < failedUntilMs) throw new TypeError('The key server failed a moment ago');
    failedUntilMs = performance.now() + JWKS_COOLDOWN_MS;
    const response = await fetch(url, options);
    if (response.ok && (await isKeySet(response.clone()))) failedUntilMs = 0;
    return response;
  };
}

async function isKeySet(response: Response): Promise<boolean> {
  try {
    const body: unknown = await response.json();
    return typeof body === 'object' && body !== null && 'keys' in body;
  } catch {
    return false; // jose reads the original and says what is wrong with it.
  }
}

function toIdentity({ sub, scope, exp = 0 }: JWTPayload): Identity | undefined {
  if (typeof sub !== 'string' || sub === '') return undefined;
  const scopes = new Set(typeof scope === 'string' ? scope.split(' ') : []);
  return { subject: sub, scopes, expiresAtMs: exp * 1000 };
}

/** Details that help a well-meaning client and tell an attacker nothing new. */
function classify(error: unknown): Verification {
  if (error instanceof errors.JWTExpired) return { kind: 'rejected', detail: 'The token has expired' };
  if (error instanceof errors.JWTClaimValidationFailed) {
    return { kind: 'rejected', detail: `The claim "${error.claim}" is missing or not as required` };
  }
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return { kind: 'keys_unavailable' };
  // jose's own class alone stands for an answer of the key server that is no key set.
  if (error instanceof errors.JOSEError && error.constructor !== errors.JOSEError) {
    return { kind: 'rejected', detail: 'The token is not valid' };
  }
  return error instanceof TypeError || error instanceof errors.JOSEError
    ? { kind: 'keys_unavailable' }
    : { kind: 'rejected', detail: 'The token is not valid' };
}
