import type { FieldError, RefusalReason } from '../events/refusals.js';
import type { Unavailable } from '../stream/append.js';

/**
 * Every way in which a request can fail, with its status and title. The name is stable: it stands in `type` and
 * `reason` of the answer (RFC 9457) and in the documentation.
 */
export const PROBLEMS = {
  malformed_request: { status: 400, title: 'The request is malformed' },
  malformed_body: { status: 400, title: 'The body cannot be read' },
  invalid_parameter: { status: 400, title: 'A parameter is not valid' },
  unauthorized: { status: 401, title: 'A valid bearer token is required' },
  insufficient_scope: { status: 403, title: 'The token does not allow this' },
  not_found: { status: 404, title: 'There is nothing here' },
  method_not_allowed: { status: 405, title: 'The address does not take this method' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  alert_resolved: { status: 409, title: 'The alert has resolved already' },
  nothing_fires: { status: 409, title: 'Nothing fires that this could silence' },
  too_many_silences: { status: 409, title: 'No further silence is taken' },
  body_too_large: { status: 413, title: 'The body is too large' },
  uri_too_long: { status: 414, title: 'The address is too long' },
  unsupported_media_type: { status: 415, title: 'The content type or encoding is not understood' },
  invalid_body: { status: 422, title: 'The body is not valid' },
  invalid_event: { status: 422, title: 'The event is not valid' },
  no_valid_event: { status: 422, title: 'The batch contains no valid event' },
  too_many_requests: { status: 429, title: 'The bearer has sent too many requests' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal_error: { status: 500, title: 'Something went wrong in the service' },
  log_unavailable: { status: 503, title: 'It could not be stored now' },
  data_unavailable: { status: 503, title: 'The numbers cannot be read now' },
  too_many_streams: { status: 503, title: 'No further stream can be opened now' },
  keys_unavailable: { status: 503, title: 'Tokens cannot be verified now' },
  overloaded: { status: 503, title: 'The service has more to do than it can' },
  stopping: { status: 503, title: 'The service is stopping' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemName = keyof typeof PROBLEMS;

/** The media type of every error answer. */
export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

interface ProblemOptions {
  /** Why, where that is known more exactly than by the problem's name. */
  readonly reason?: string;
  readonly errors?: readonly FieldError[];
  /** Further members of the answer. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A failure that the client is told about. */
export class Problem extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly problem: ProblemName,
    readonly detail: string,
    private readonly options: ProblemOptions = {},
  ) {
    super(detail);
    this.name = 'Problem';
    this.status = PROBLEMS[problem].status;
    this.headers = options.headers ?? {};
  }

  /** The answer's body. */
  toBody(): Record<string, unknown> {
    const { title, status } = PROBLEMS[this.problem];
    const { reason, errors, members } = this.options;
    return {
      type: `urn:metrics-service:problem:${this.problem}`,
      title,
      status,
      detail: this.detail,
      ...(reason === undefined ? {} : { reason }),
      ...(errors === undefined ? {} : { errors }),
      ...members,
    };
  }
}

/** Refusals that concern the bytes and not what they say. */
const UNREADABLE: ReadonlySet<RefusalReason> = new Set(['invalid_utf8', 'invalid_json', 'forbidden_key']);

/** What a client is told about an event that was refused. */
export function refusedEvent(refusal: {
  readonly reason: RefusalReason;
  readonly errors: readonly FieldError[];
}): Problem {
  const { reason, errors } = refusal;
  const name = UNREADABLE.has(reason) ? 'malformed_body' : 'invalid_event';
  const detail = errors.map((error) => `${error.pointer} ${error.detail}`.trim()).join('; ');
  return new Problem(name, detail, { reason, errors });
}

/** What a client is told when the log did not take its event: keep it, and send it again with the same id. */
export function logUnavailable({ reason, retryAfterSeconds }: Unavailable): Problem {
  return new Problem('log_unavailable', 'Not stored for certain; send it again with the same id', {
    reason,
    headers: { 'retry-after': String(retryAfterSeconds) },
  });
}
