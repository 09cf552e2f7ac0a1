import Type from 'typebox';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describing } from '../../../src/http/schemas/agreement.js';

interface Answer {
  readonly name: string;
  readonly values: readonly { readonly n: number | null }[];
}

const test = suite('A schema that describes an answer');
const values = Type.Array(Type.Object({ n: Type.Union([Type.Number(), Type.Null()]) }));

test('is accepted by the compiler where it agrees with the type, and only there', () => {
  const agreeing = Type.Object({ name: Type.String(), values });
  assert.is(describing<Answer>()(agreeing), agreeing);
  // @ts-expect-error a field of the answer is missing
  describing<Answer>()(Type.Object({ values }));
  // @ts-expect-error the answer has no such field
  describing<Answer>()(Type.Object({ name: Type.String(), values, more: Type.String() }));
  // @ts-expect-error the answer's field may be null
  describing<Answer>()(Type.Object({ name: Type.String(), values: Type.Array(Type.Object({ n: Type.Number() })) }));
  // @ts-expect-error the answer's field is never null
  describing<Answer>()(Type.Object({ name: Type.Union([Type.String(), Type.Null()]), values }));
});

test.run();
