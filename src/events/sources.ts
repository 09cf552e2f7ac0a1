import { isObject } from './json.js';
import type { Outcome } from './refusals.js';
import { accept, refuse } from './refusals.js';

/** A foreign subject, from `config/sources.yaml`: another service's domain events, read as user events. */
export interface ForeignSource {
  /** NATS subject pattern with `*` and `>`. */
  readonly subject: string;
  /** The event type of what arrives there; left out, the subject's tokens joined by `_`. */
  readonly eventType: string | undefined;
  /** JSON pointers (RFC 6901) into the body; `idPointer` names what is different for each event. */
  readonly idPointer: string | undefined;
  readonly userIdPointer: string | undefined;
  readonly occurredAtPointer: string | undefined;
}

export type SourceMatcher = (subject: string) => ForeignSource | undefined;

/** Compiles the patterns once; the first that matches a subject wins. */
export function matchSources(sources: readonly ForeignSource[]): SourceMatcher {
  const compiled = sources.map((source) => ({ source, pattern: subjectPattern(source.subject) }));
  return (subject) => compiled.find(({ pattern }) => pattern.test(subject))?.source;
}

/** Whether a subject matches a pattern with `*` and `>`. */
export function subjectMatcher(pattern: string): (subject: string) => boolean {
  const compiled = subjectPattern(pattern);
  return (subject) => compiled.test(subject);
}

function subjectPattern(subject: string): RegExp {
  const tokens = subject.split('.').map((token) => {
    if (token === '*') return '[^.]+';
    if (token === '>') return '.+';
    return token.replace(/[^A-Za-z0-9_-]/g, '\\$&');
  });
  return new RegExp(`^${tokens.join('\\.')}$`);
}

/** What a CloudEvents envelope says of a foreign message. */
export interface ForeignEnvelope {
  readonly id: string;
  readonly time: string | undefined;
}

/**
 * Turns a foreign message into the body of a user event: the whole message becomes its metadata. Its id is the
 * envelope's, else what the source's pointer names: a field that is merely called `id` is as a rule that of the thing
 * that the event is about. Its time is what the source's pointer names, else the envelope's.
 */
export function foreignBody(
  source: ForeignSource,
  subject: string,
  input: unknown,
  envelope?: ForeignEnvelope,
): Outcome<Record<string, unknown>> {
  if (!isObject(input)) return refuse('not_an_object', '', 'must be a JSON object');
  const body: Record<string, unknown> = {
    event_type: source.eventType ?? subject.replaceAll('.', '_'),
    metadata: input,
  };
  if (source.idPointer !== undefined) body.id = resolvePointer(input, source.idPointer);
  body.id = envelope?.id ?? body.id;
  if (source.userIdPointer !== undefined) body.user_id = resolvePointer(input, source.userIdPointer);
  if (source.occurredAtPointer !== undefined) body.occurred_at = resolvePointer(input, source.occurredAtPointer);
  body.occurred_at ??= envelope?.time;
  for (const key of ['id', 'user_id', 'occurred_at']) if (body[key] === undefined) delete body[key];
  return accept(body);
}

/** Resolves a JSON pointer; undefined where nothing is there. */
export function resolvePointer(document: unknown, pointer: string): unknown {
  let value = document;
  for (const token of pointer.split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}
