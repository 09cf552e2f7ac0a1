import { type CanActivate, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../problems.js';
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
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const targets = [context.getHandler(), context.getClass()];
    if (this.#reflector.getAllAndOverride<boolean | undefined>(PUBLIC, targets) === true) return true;
    const scope = this.#reflector.getAllAndOverride<Scope | undefined>(SCOPE, targets);
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const letIn = (identity: Identity): true => {
      identities.set(request, identity);
      return true;
    };
    const admitted = this.admit(request, scope);
    return admitted instanceof Promise ? admitted.then(letIn) : letIn(admitted);
  }

  /**
   * Tells who asks; at once where the token is remembered.
   *
   * @throws Problem unauthorized, insufficient_scope or keys_unavailable
   */
  admit(request: FastifyRequest, scope: Scope | undefined): Identity | Promise<Identity> {
    const token = bearerToken(request);
    if (token === undefined) throw unauthorized('No bearer token was sent', undefined);
    const known = this.verifier.recall(token);
    if (known !== undefined) return this.#checkScope(known, scope);
    return this.verifier.verify(token).then((verification) => {
      if (verification.kind === 'rejected') throw unauthorized(verification.detail, 'invalid_token');
      if (verification.kind === 'keys_unavailable') {
        throw new Problem('keys_unavailable', 'The keys cannot be fetched', { headers: { 'retry-after': '5' } });
      }
      return this.#checkScope(verification.identity, scope);
    });
  }

  #checkScope(identity: Identity, scope: Scope | undefined): Identity {
    if (this.enforceScopes && scope !== undefined && !identity.scopes.has(scope)) throw forbidden(scope);
    return identity;
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
