import { PROBLEM_MEDIA_TYPE, PROBLEMS, Problem, type ProblemName } from '../problems.js';
import { FieldErrorsSchema, RejectedSchema } from '../schemas/appended.js';
import { text } from '../schemas/fields.js';

export type Json = Readonly<Record<string, unknown>>;

export const reference = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

export const query = (
  name: string,
  description: string,
  example: unknown,
  schema: Json = { type: 'string' },
): Json => ({
  name,
  in: 'query',
  description,
  schema,
  example,
});

const header = (description: string, required = false): Json => ({ description, required, schema: { type: 'string' } });

/** What the problems say beside type, title, status and detail. */
export const PROBLEM_SCHEMA: Json = {
  type: 'object',
  description: 'Problem details (RFC 9457)',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string', format: 'uri', description: 'Names the problem' },
    title: text('The problem, the same each time'),
    status: { type: 'integer', description: 'The HTTP status' },
    detail: text('What it is this time'),
    reason: text('The named reason, where there is one: the same as in dead letters and metrics'),
    errors: FieldErrorsSchema,
    rejected: RejectedSchema,
  },
};

const EXAMPLE_MEMBERS: Partial<Readonly<Record<ProblemName, ConstructorParameters<typeof Problem>[2]>>> = {
  invalid_parameter: { errors: [{ pointer: 'window', detail: 'must be one of 1h, 24h, 7d, 30d' }] },
  malformed_body: { reason: 'invalid_json', errors: [{ pointer: '', detail: 'must be JSON' }] },
  invalid_body: { errors: [{ pointer: '/matchers', detail: 'is required' }] },
  invalid_event: { reason: 'invalid_fields', errors: [{ pointer: '/event_type', detail: 'is required' }] },
  no_valid_event: {
    members: {
      rejected: [{ index: 0, reason: 'invalid_fields', errors: [{ pointer: '/event_type', detail: 'is required' }] }],
    },
  },
  log_unavailable: { reason: 'disconnected' },
};

const STATUS_HEADERS: Readonly<Record<number, Json>> = {
  401: { 'WWW-Authenticate': header('The challenge of RFC 6750', true) },
  403: { 'WWW-Authenticate': header('Names the scope that is needed', true) },
  405: { Allow: header('The methods that the address takes', true) },
  429: {
    'Retry-After': header('When the next request is taken, seconds', true),
    RateLimit: header('`r`, the requests that are left, and `t`, the seconds until there are more', true),
    'RateLimit-Policy': header('`q`, the requests of a bearer, in `w` seconds', true),
  },
  503: { 'Retry-After': header('When to try again, seconds') },
};

/** Whatever the address, this may be answered. */
const EVERYWHERE = [
  'malformed_request',
  'method_not_allowed',
  'request_timeout',
  'uri_too_long',
  'headers_too_large',
  'internal_error',
  'stopping',
] as const satisfies readonly ProblemName[];

/** What may be answered where a token is verified. Every such answer has RateLimit and RateLimit-Policy, too. */
const TO_BEARERS = ['too_many_requests', 'overloaded'] as const satisfies readonly ProblemName[];

/** Responses by status: each problem by its name, with an example. */
export function problems(...names: readonly ProblemName[]): Json {
  const byStatus = new Map<number, ProblemName[]>();
  for (const name of [...names, ...(names.includes('keys_unavailable') ? TO_BEARERS : []), ...EVERYWHERE]) {
    const { status } = PROBLEMS[name];
    byStatus.set(status, [...(byStatus.get(status) ?? []), name]);
  }
  return Object.fromEntries([...byStatus].map(([status, ofStatus]) => [status, problemResponse(status, ofStatus)]));
}

function problemResponse(status: number, names: readonly ProblemName[]): Json {
  const bodies = names.map(
    (name) => [name, new Problem(name, PROBLEMS[name].title, EXAMPLE_MEMBERS[name]).toBody()] as const,
  );
  const properties = { type: { enum: bodies.map(([, { type }]) => type) }, status: { const: status } };
  return {
    description: names.map((name) => `\`${name}\`: ${PROBLEMS[name].title}`).join('; '),
    ...(STATUS_HEADERS[status] === undefined ? {} : { headers: STATUS_HEADERS[status] }),
    content: {
      [PROBLEM_MEDIA_TYPE]: {
        schema: { allOf: [reference('Problem'), { type: 'object', properties }] },
        examples: Object.fromEntries(bodies.map(([name, value]) => [name, { value }])),
      },
    },
  };
}

/** A JSON answer. */
export const answer = (description: string, schema: Json, example: unknown): Json => ({
  description,
  content: { 'application/json': { schema, example } },
});

const TAG_HEADERS = { ETag: header('Of the state that is answered', true), 'Cache-Control': header('no-cache', true) };

/** An answer with a tag, and the one without a body for clients that have it already. */
export function tagged(response: Json): Json {
  return {
    200: { ...response, headers: TAG_HEADERS },
    304: { description: 'If-None-Match names the tag of what would be answered', headers: TAG_HEADERS },
  };
}

export const IF_NONE_MATCH: Json = {
  name: 'If-None-Match',
  in: 'header',
  description: 'Tags that the client has, or *; compared weakly',
  schema: { type: 'string' },
};
