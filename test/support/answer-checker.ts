import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { openApiDocument } from '../../src/http/openapi/document.js';

export interface CheckedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

interface MediaType {
  readonly schema: object;
}

interface Response {
  readonly headers?: Readonly<Record<string, { readonly required?: boolean }>>;
  readonly content?: Readonly<Record<string, MediaType>>;
}

type Operations = Readonly<Record<string, { readonly responses: Readonly<Record<string, Response>> }>>;

const PROBLEM = 'application/problem+json';
const DOCUMENT_ID = 'openapi.json';

/** Answers that do not depend on the address: there is none, or it is malformed. */
const ELSEWHERE: Readonly<Record<number, string>> = {
  400: 'malformed_request',
  401: 'unauthorized',
  404: 'not_found',
  414: 'uri_too_long',
};

/**
 * Holds answers to the OpenAPI document: address, method, status, headers, content type, and the body with every field
 * described and none besides.
 */
export class AnswerChecker {
  readonly #paths: [pattern: RegExp, path: string, operations: Operations][];
  // That the document's schemas are ones is held by the test of the document, which a validator of OpenAPI reads.
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false });
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(document: unknown = openApiDocument('test')) {
    const closed = close(JSON.parse(JSON.stringify(document)), false) as { paths: Record<string, Operations> };
    addFormats.default(this.#ajv);
    this.#ajv.addSchema(closed, DOCUMENT_ID);
    this.#paths = Object.entries(closed.paths).map(([path, operations]) => [
      new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
      path,
      operations,
    ]);
  }

  /** @throws where the answer is not as the document says */
  check(method: string, address: string, answer: CheckedAnswer): void {
    const [pathname = ''] = address.split('?');
    const fail = (why: string): never => {
      throw new Error(
        `${method} ${pathname} answers ${answer.status}: ${why}, says /openapi.json\n${answer.text.slice(0, 500)}`,
      );
    };
    const [, path = '', operations] = this.#paths.find(([pattern]) => pattern.test(pathname)) ?? [];
    if (operations === undefined) return this.#checkElsewhere(answer, fail);
    const name = method === 'HEAD' ? 'get' : method.toLowerCase();
    // A method that the address does not take is answered alike everywhere.
    const described = operations[name] === undefined && answer.status === 405 ? Object.keys(operations)[0] : name;
    const response = operations[described ?? '']?.responses[answer.status];
    if (response === undefined) return fail('no such answer');
    for (const [header, { required }] of Object.entries(response.headers ?? {})) {
      if (required === true && !answer.headers.has(header)) fail(`the header ${header} is there`);
    }
    if (response.content === undefined) {
      if (answer.text !== '') fail('there is no body');
      return;
    }
    const mediaType = mediaTypeOf(answer);
    if (response.content[mediaType] === undefined) return fail(`it is not of type "${mediaType}"`);
    if (method === 'HEAD') return;
    this.#checkBody(
      ['paths', path, described ?? '', 'responses', `${answer.status}`, 'content', mediaType],
      answer,
      fail,
    );
  }

  #checkBody(pointer: readonly string[], answer: CheckedAnswer, fail: (why: string) => never): void {
    const validate = this.#validator(pointer);
    const isJson = pointer.at(-1)?.endsWith('json') === true;
    if (!validate(isJson ? JSON.parse(answer.text) : answer.text)) {
      fail(this.#ajv.errorsText(validate.errors, { dataVar: 'body' }));
    }
  }

  #validator(pointer: readonly string[]): ValidateFunction {
    const fragment = [...pointer, 'schema'].map((part) =>
      encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')),
    );
    const reference = `${DOCUMENT_ID}#/${fragment.join('/')}`;
    const known = this.#validators.get(reference);
    if (known !== undefined) return known;
    const compiled = this.#ajv.compile({ $ref: reference });
    this.#validators.set(reference, compiled);
    return compiled;
  }

  #checkElsewhere(answer: CheckedAnswer, fail: (why: string) => never): void {
    const name = ELSEWHERE[answer.status];
    if (name === undefined) return fail('there is no such address');
    if (mediaTypeOf(answer) !== PROBLEM) return fail('it is a problem');
    const body = JSON.parse(answer.text) as { type: string };
    if (body.type !== `urn:metrics-service:problem:${name}`) fail(`it is ${name}`);
  }
}

function mediaTypeOf({ headers }: CheckedAnswer): string {
  return headers.get('content-type')?.split(';')[0]?.trim() ?? '';
}

/** Forbids fields that are not described. A part of `allOf` stays open: what the other parts describe is in it, too. */
function close(value: unknown, isPart: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => close(item, isPart));
  if (typeof value !== 'object' || value === null) return value;
  const closed = Object.fromEntries(Object.entries(value).map(([key, child]) => [key, close(child, key === 'allOf')]));
  const isObject = 'type' in closed && closed.type === 'object' && 'properties' in closed;
  return isObject && !isPart && !('additionalProperties' in closed)
    ? { ...closed, additionalProperties: false }
    : closed;
}
