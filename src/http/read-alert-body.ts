import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { parseJson } from '../events/json.js';
import type { FieldError } from '../events/refusals.js';
import { parseRfc3339 } from '../events/time.js';
import { Problem, refusedEvent } from './problems.js';
import { readBody } from './read-body.js';

const MAX_BYTES = 16_384;
const MAX_COMMENT_CHARACTERS = 500;
const MAX_MATCHERS = 16;
const MAX_SILENCE_MS = 366 * 86_400_000;
const MAX_SUBJECT_CHARACTERS = 200;

// Without line breaks and the like: it ends up in messages to people.
const Comment = Type.String({
  maxLength: MAX_COMMENT_CHARACTERS,
  pattern: '^[^\\u0000-\\u001f\\u007f]*$',
  description: `For people; one line of at most ${MAX_COMMENT_CHARACTERS} characters`,
});

export const AcknowledgementSchema = Type.Object({ comment: Type.Optional(Comment) }, { additionalProperties: false });

export const SilenceSchema = Type.Object(
  {
    matchers: Type.Record(
      Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,63}$' }),
      Type.String({ minLength: 1, maxLength: MAX_SUBJECT_CHARACTERS }),
      {
        minProperties: 1,
        maxProperties: MAX_MATCHERS,
        additionalProperties: false,
        description: "Label → exact value; alertname is the rule's name, severity its severity. All have to match",
      },
    ),
    until: Type.Optional(Type.String({ format: 'date-time', description: 'RFC 3339; within a year' })),
    until_resolved: Type.Optional(
      Type.Boolean({ description: 'true instead of until: until the alerts that fire now have resolved' }),
    ),
    comment: Type.Optional(Comment),
  },
  { additionalProperties: false },
);

const acknowledgement = Compile(AcknowledgementSchema);
const silence = Compile(SilenceSchema);

/** Reads the body of an acknowledgement; there may be none. @throws Problem */
export async function readAcknowledgement(request: FastifyRequest): Promise<{ readonly comment: string }> {
  if (hasNoBody(request)) return { comment: '' };
  const body = await readJson(request);
  if (acknowledgement.Check(body)) return { comment: body.comment ?? '' };
  throw invalidBody(errorsOf(acknowledgement.Errors(body)));
}

export interface WantedSilence {
  readonly matchers: Readonly<Record<string, string>>;
  /** Undefined: until resolved. */
  readonly untilMs: number | undefined;
  readonly comment: string;
}

/** Reads what is to be silenced. @throws Problem */
export async function readSilence(request: FastifyRequest, nowMs: number): Promise<WantedSilence> {
  const body = await readJson(request);
  if (!silence.Check(body)) throw invalidBody(errorsOf(silence.Errors(body)));
  const { matchers, until, until_resolved: untilResolved = false, comment = '' } = body;
  if ((until === undefined) !== untilResolved) {
    throw invalidBody([{ pointer: '/until', detail: 'is needed, or until_resolved: true; not both' }]);
  }
  if (until === undefined) return { matchers, untilMs: undefined, comment };
  const untilMs = parseRfc3339(until);
  if (untilMs === undefined) throw invalidBody([{ pointer: '/until', detail: 'is no RFC 3339 date and time' }]);
  if (untilMs <= nowMs || untilMs > nowMs + MAX_SILENCE_MS) {
    throw invalidBody([{ pointer: '/until', detail: 'must be in the future, within a year' }]);
  }
  return { matchers, untilMs, comment };
}

function hasNoBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0';
}

async function readJson(request: FastifyRequest): Promise<unknown> {
  const { bytes } = await readBody(request, MAX_BYTES, ['application/json']);
  const parsed = parseJson(bytes);
  if (!parsed.ok) throw refusedEvent(parsed.refusal);
  return parsed.value;
}

type SchemaErrors = ReturnType<typeof silence.Errors> | ReturnType<typeof acknowledgement.Errors>;

function errorsOf(errors: SchemaErrors): FieldError[] {
  return errors.map(({ instancePath, message }) => ({ pointer: instancePath, detail: message }));
}

function invalidBody(errors: readonly FieldError[]): Problem {
  return new Problem('invalid_body', errors.map(({ pointer, detail }) => `${pointer} ${detail}`.trim()).join('; '), {
    errors,
  });
}
