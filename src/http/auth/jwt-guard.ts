import { type CanActivate, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OnShed } from '../overload.js';
import { Problem } from '../problems.js';
import type { RateLimiter } from './rate-limiter.js';
import type { Identity, TokenVerifier } from './token-verifier.js';

export type Scope = 'metrics:read' | 'metrics:write';

const PUBLIC = 'metrics:public';
const SCOPE = 'metrics:scope';
const REALM = 'Bearer realm="metrics-service"';

/** Marks a route that asks for no token. Every other route asks for one. */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(PUBLIC, true);
/** The scope that a route asks for where JWT_ENFORCE_SCOPES is set. */
export const RequireScope = (scope: Scope): MethodDecorator => SetMetadata(SCOPE, scope);

const identities = new WeakMap<FastifyRequest, Identity>();

/** Who asks, on a route that asks for a token. @throws where the guard has not let the request in */
export function identityOf(request: FastifyRequest): Identity {
  const identity = identities.get(request);
  if (identity === undefined) throw new Error('The route asks for no token');
  return identity;
}

/** The global guard: a route without @Public is answered only to the bearer of a verified token. */
export class JwtGuard implements CanActivate {
  readonly #reflector = new Reflector();

  constructor(
    private readonly verifier: TokenVerifier,
    private readonly enforceScopes: boolean,
    private readonly rates: RateLimiter,
    private readonly onShed: OnShed,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const targets = [context.getHandler(), context.getClass()];
    if (this.#reflector.getAllAndOverride<boolean | undefined>(PUBLIC, targets) === true) return true;
    const scope = this.#reflector.getAllAndOverride<Scope | undefined>(SCOPE, targets);
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const letIn = (identity: Identity): true => {
      identities.set(request, identity);
      return true;
    };
    const admitted = this.admit(request, http.getResponse<FastifyReply>(), scope);
    return admitted instanceof Promise ? admitted.then(letIn) : letIn(admitted);
  }

  /**
   * Tells who asks; at once where the token is remembered.
   *
   * @throws Problem unauthorized, insufficient_scope, too_many_requests or keys_unavailable
   */
  admit(request: FastifyRequest, reply: FastifyReply, scope: Scope | undefined): Identity | Promise<Identity> {
    const token = bearerToken(request);
    if (token === undefined) throw unauthorized('No bearer token was sent', undefined);
    const known = this.verifier.recall(token);
    if (known !== undefined) return this.#letIn(known, reply, scope);
    return this.verifier.verify(token).then((verification) => {
      if (verification.kind === 'rejected') throw unauthorized(verification.detail, 'invalid_token');
      if (verification.kind === 'keys_unavailable') {
        throw new Problem('keys_unavailable', 'The keys cannot be fetched', { headers: { 'retry-after': '5' } });
      }
      return this.#letIn(verification.identity, reply, scope);
    });
  }

  #letIn(identity: Identity, reply: FastifyReply, scope: Scope | undefined): Identity {
    this.#takeOne(identity, reply);
    if (this.enforceScopes && scope !== undefined && !identity.scopes.has(scope)) throw forbidden(scope);
    return identity;
  }

  /** A request of the bearer's, whatever becomes of it. @throws Problem too_many_requests */
  #takeOne({ subject }: Identity, reply: FastifyReply): void {
    const { isAllowed, remaining, resetSeconds } = this.rates.take(subject, Date.now());
    reply.header('ratelimit-policy', this.rates.policy).header('ratelimit', `"token";r=${remaining};t=${resetSeconds}`);
    if (isAllowed) return;
    this.onShed('rate_limit');
    throw new Problem('too_many_requests', `The next one is taken in ${resetSeconds} s`, {
      headers: { 'retry-after': String(resetSeconds) },
    });
  }
}

/** The token of `Authorization: Bearer`; undefined where there is none. */
export function bearerToken(request: FastifyRequest): string | undefined {
  return /^Bearer +([^ ]+) *$/i.exec(request.headers.authorization ?? '')?.[1];
}

/** 401 with the challenge of RFC 6750, section 3. */
export function unauthorized(detail: string, error: 'invalid_token' | undefined): Problem {
  const challenge = error === undefined ? REALM : `${REALM}, error="${error}", error_description="${quotable(detail)}"`;
  return new Problem('unauthorized', detail, { headers: { 'www-authenticate': challenge } });
}

function forbidden(scope: Scope): Problem {
  const challenge = `${REALM}, error="insufficient_scope", scope="${scope}"`;
  return new Problem('insufficient_scope', `The scope ${scope} is needed`, {
    headers: { 'www-authenticate': challenge },
  });
}

function quotable(text: string): string {
  return text.replaceAll('"', "'");
}
