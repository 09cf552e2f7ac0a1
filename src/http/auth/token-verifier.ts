import {
  createRemoteJWKSet,
  customFetch,
  errors,
  type FetchImplementation,
  importSPKI,
  type JWKSCacheInput,
  type JWTPayload,
  type JWTVerifyOptions,
  jwksCache,
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
  /** How often a key set is fetched at most, and how old it may be; left out, 30 s and 5 minutes. */
  readonly keySetTimes?: KeySetTimes;
}

interface KeySetTimes {
  readonly cooldownMs: number;
  readonly maxAgeMs: number;
}

/** Verified tokens that are remembered; only who has the key can fill these places. */
const MAX_CACHED_TOKENS = 10_000;
const MAX_CACHED_CHARACTERS = 16_777_216;
const CACHE_MAX_AGE_MS = 300_000;
/** A key that was withdrawn is no good any more when its set is so old. */
const KEY_SET_TIMES: KeySetTimes = { cooldownMs: 30_000, maxAgeMs: 300_000 };
const JWKS_TIMEOUT_MS = 5_000;
/** A token longer than this is not looked at; Node.js refuses headers beyond 16 KB anyway. */
const MAX_TOKEN_CHARACTERS = 16_384;

/** The one way to write a token down (RFC 7515, sections 2 and 7.1). */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)$/;

interface Cached {
  readonly identity: Identity;
  readonly untilMs: number;
  /** The keys that it was verified with. */
  readonly keys: unknown;
}

interface Verifying {
  readonly verify: (token: string, options: JWTVerifyOptions) => Promise<{ readonly payload: JWTPayload }>;
  /** What stands for the keys of now: another value where they are others, undefined where they have to be fetched. */
  readonly keys: () => unknown;
}

/**
 * Verifies bearer tokens with one key source and one algorithm, so that a public key is never taken for an HMAC secret.
 * Verified tokens are remembered until they expire or the keys are others, and 5 minutes at most; checking a
 * signature each time would cost more than all else that a request does.
 */
export class TokenVerifier {
  readonly #cache = new Map<string, Cached>();
  #cachedCharacters = 0;
  readonly #verifying: Promise<Verifying>;
  /** Nothing, until the configured key is there. */
  #keys: Verifying['keys'] = () => undefined;

  constructor(private readonly options: TokenVerifierOptions) {
    this.#verifying = makeVerifying(options.key, options.keySetTimes ?? KEY_SET_TIMES);
    this.#verifying.then(
      ({ keys }) => {
        this.#keys = keys;
      },
      // A public key that cannot be read is told by `ready`; until somebody asks, Node must not call it unhandled.
      () => undefined,
    );
  }

  /** How many tokens are remembered, and their characters. */
  get remembered(): { readonly tokens: number; readonly characters: number } {
    return { tokens: this.#cache.size, characters: this.#cachedCharacters };
  }

  /** Resolves when the key is usable. @throws where the configured key is no key of its algorithm */
  async ready(): Promise<void> {
    await this.#verifying;
  }

  async verify(token: string): Promise<Verification> {
    if (token.length > MAX_TOKEN_CHARACTERS) return { kind: 'rejected', detail: 'The token is too long' };
    const verifying = await this.#verifying;
    const known = this.recall(token);
    if (known !== undefined) return { kind: 'verified', identity: known };
    this.#forget(token);
    if (!isCanonical(token)) return { kind: 'rejected', detail: 'The token is not valid' };
    return await this.#verifyAnew(verifying, token, this.options.now());
  }

  /** The bearer of a token that was verified before and is still good; undefined where it has to be verified. */
  recall(token: string): Identity | undefined {
    const cached = this.#cache.get(token);
    if (cached === undefined || cached.untilMs <= this.options.now()) return undefined;
    const keys = this.#keys();
    // A key may have gone: whatever it has signed is looked at again when the keys are others, or too old.
    return keys !== undefined && cached.keys === keys ? cached.identity : undefined;
  }

  async #verifyAnew({ verify, keys: keysNow }: Verifying, token: string, nowMs: number): Promise<Verification> {
    const { issuer, audience, key } = this.options;
    const keys = keysNow();
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
      const untilMs = Math.min(identity.expiresAtMs, nowMs + CACHE_MAX_AGE_MS);
      // Where the keys were fetched meanwhile, nobody knows which of them it was verified with.
      if (keys !== undefined && keysNow() === keys) this.#remember(token, { identity, untilMs, keys });
      return { kind: 'verified', identity };
    } catch (error) {
      return classify(error, key.from === 'jwks');
    }
  }

  /** A Map keeps the order of insertion, so the first entry is the oldest. */
  #remember(token: string, entry: Cached): void {
    this.#forget(token);
    this.#cache.set(token, entry);
    this.#cachedCharacters += token.length;
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= MAX_CACHED_TOKENS && this.#cachedCharacters <= MAX_CACHED_CHARACTERS) return;
      this.#forget(oldest);
    }
  }

  #forget(token: string): void {
    if (this.#cache.delete(token)) this.#cachedCharacters -= token.length;
  }
}

/**
 * jose reads past white space, padding and bits that stand for nothing, and nothing in a signature is signed: so the bearer of
 * one token would have any number of them, each to be verified, each in the place of somebody's that is remembered.
 */
function isCanonical(token: string): boolean {
  const [, signature] = COMPACT.exec(token) ?? [];
  return signature !== undefined && Buffer.from(signature, 'base64url').toString('base64url') === signature;
}

async function makeVerifying(key: JwtKeySource, { cooldownMs, maxAgeMs }: KeySetTimes): Promise<Verifying> {
  switch (key.from) {
    case 'secret': {
      const secret = new TextEncoder().encode(key.secret);
      return { verify: (token, options) => jwtVerify(token, secret, options), keys: () => secret };
    }
    case 'public_key': {
      const publicKey = await importSPKI(key.pem, key.algorithm);
      return { verify: (token, options) => jwtVerify(token, publicKey, options), keys: () => publicKey };
    }
    case 'jwks': {
      // jose writes each key set here in the moment in which it begins to use it.
      const fetched: JWKSCacheInput = {};
      const keySet = createRemoteJWKSet(key.url, {
        cooldownDuration: cooldownMs,
        cacheMaxAge: maxAgeMs,
        timeoutDuration: JWKS_TIMEOUT_MS,
        [jwksCache]: fetched,
        [customFetch]: fetchOnceInAWhile(cooldownMs),
      });
      const textOfKeys = textOnce();
      return {
        verify: (token, options) => jwtVerify(token, keySet, options),
        keys: () => (keySet.fresh ? textOfKeys(fetched.jwks) : undefined),
      };
    }
  }
}

/** As text, so that the same keys fetched again are the same; written once for each time that they are fetched. */
function textOnce(): (keys: unknown) => string {
  let last: unknown;
  let text = '';
  return (keys) => {
    if (keys !== last) text = JSON.stringify(keys);
    last = keys;
    return text;
  };
}

/**
 * jose's own cooldown begins with a fetch that went well. This one also begins with one that did not, so that a key server
 * in trouble is not asked again for each token that comes.
 */
function fetchOnceInAWhile(cooldownMs: number): FetchImplementation {
  let failedUntilMs = 0;
  return async (url, options) => {
    if (performance.now() < failedUntilMs) throw new TypeError('The key server failed a moment ago');
    failedUntilMs = performance.now() + cooldownMs;
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
function classify(error: unknown, areKeysFetched: boolean): Verification {
  if (error instanceof errors.JWTExpired) return { kind: 'rejected', detail: 'The token has expired' };
  if (error instanceof errors.JWTClaimValidationFailed) {
    return { kind: 'rejected', detail: `The claim "${error.claim}" is missing or not as required` };
  }
  if (!areKeysFetched) return { kind: 'rejected', detail: 'The token is not valid' };
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return { kind: 'keys_unavailable' };
  // jose's own class alone stands for an answer of the key server that is no key set.
  if (error instanceof errors.JOSEError && error.constructor !== errors.JOSEError) {
    return { kind: 'rejected', detail: 'The token is not valid' };
  }
  return error instanceof TypeError || error instanceof errors.JOSEError
    ? { kind: 'keys_unavailable' }
    : { kind: 'rejected', detail: 'The token is not valid' };
}
