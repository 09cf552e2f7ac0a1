import Type from 'typebox';

/** Small schemas that answers are put together from. Descriptions name the unit. */
export const count = (description: string) => Type.Integer({ minimum: 0, description });
export const number = (description: string) => Type.Number({ description });
export const text = (description: string) => Type.String({ description });
export const time = (description: string) => Type.String({ format: 'date-time', description });
export const flag = (description: string) => Type.Boolean({ description });

const NULL = Type.Null();
export const orNull = (description: string) => Type.Union([Type.Number(), NULL], { description });
export const textOrNull = (description: string) => Type.Union([Type.String(), NULL], { description });
