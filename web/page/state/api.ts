/** What became of a request. */
export type Outcome<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'unauthorized'; readonly detail: string }
  /** The request itself is not taken; `pointers` name what of it. */
  | { readonly kind: 'refused'; readonly detail: string; readonly pointers: readonly string[] }
  | { readonly kind: 'unavailable'; readonly detail: string }
  | { readonly kind: 'away'; readonly detail: string };

interface Problem {
  readonly detail: string;
  readonly pointers: readonly string[];
}

const REQUEST_TIMEOUT_MS = 15_000;

/** Asks this service with a token. Never throws, but for an abort of `signal`. */
export class Api {
  constructor(
    readonly token: string,
    private readonly signal: AbortSignal,
  ) {}

  get<T>(path: string): Promise<Outcome<T>> {
    return this.#ask<T>(path, { method: 'GET' });
  }

  post<T>(path: string, body: object): Promise<Outcome<T>> {
    const headers = { 'content-type': 'application/json' };
    return this.#ask<T>(path, { method: 'POST', body: JSON.stringify(body), headers });
  }

  delete(path: string): Promise<Outcome<null>> {
    return this.#ask<null>(path, { method: 'DELETE' });
  }

  /** The service's own status, which is told with 503 as well; null where there is none. */
  async status<T>(): Promise<T | null> {
    try {
      const response = await this.#fetch('/health/detailed', { method: 'GET' });
      const body: unknown = await response.json();
      return typeof body === 'object' && body !== null && 'projections' in body ? (body as T) : null;
    } catch {
      return null; // That nobody answers is told of the numbers.
    }
  }

  async #ask<T>(path: string, init: RequestInit): Promise<Outcome<T>> {
    let response: Response;
    try {
      response = await this.#fetch(path, init);
      if (response.ok)
        return { kind: 'ok', value: response.status === 204 ? null : await response.json() } as Outcome<T>;
    } catch (error) {
      this.signal.throwIfAborted();
      const timedOut = error instanceof DOMException && error.name === 'TimeoutError';
      return { kind: 'away', detail: timedOut ? 'It did not answer in time.' : 'It does not answer.' };
    }
    return refusal(response.status, await readProblem(response));
  }

  #fetch(path: string, { headers, ...init }: RequestInit): Promise<Response> {
    return fetch(path, {
      ...init,
      headers: { ...headers, authorization: `Bearer ${this.token}` },
      signal: AbortSignal.any([this.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
    });
  }
}

function refusal(status: number, { detail, pointers }: Problem): Outcome<never> {
  if (status === 401) return { kind: 'unauthorized', detail };
  if (status === 429 || status >= 500) return { kind: 'unavailable', detail };
  return { kind: 'refused', detail, pointers };
}

/** Problem details (RFC 9457), or what can be said without them. */
async function readProblem(response: Response): Promise<Problem> {
  const unknown = { detail: `The service answered ${response.status}.`, pointers: [] };
  try {
    const body: unknown = await response.json();
    if (typeof body !== 'object' || body === null) return unknown;
    const { title, detail, errors } = body as { title?: unknown; detail?: unknown; errors?: unknown };
    const said = [title, detail].filter((text) => typeof text === 'string').join(': ');
    const pointers = Array.isArray(errors) ? errors.map((error) => String(error?.pointer ?? '')) : [];
    return { detail: said === '' ? unknown.detail : said, pointers };
  } catch {
    return unknown; // No JSON: something between us and the service answered.
  }
}
