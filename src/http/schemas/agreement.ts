import type { Static, TSchema } from 'typebox';

type DeepReadonly<T> = T extends readonly (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** What a schema describes, as queries write their answers' types. */
type Described<S extends TSchema> = DeepReadonly<Static<S>>;

type Agree<S extends TSchema, T> = [Described<S>] extends [T] ? ([T] extends [Described<S>] ? S : never) : never;

/** Gives the schema back. It does not compile where schema and type differ, in whichever direction. */
export function describing<T>(): <S extends TSchema>(schema: S & Agree<S, T>) => S {
  return (schema) => schema;
}
