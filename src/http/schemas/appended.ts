import Type from 'typebox';
import type { RefusalReason } from '../../events/refusals.js';
import type { AppendedAnswer, BatchAnswer } from '../event-routes.js';
import type { RejectedEvent } from '../read-batch.js';
import { describing } from './agreement.js';
import { count, flag, text } from './fields.js';
import { REFUSALS } from './refusals.js';

export const AppendedSchema = describing<AppendedAnswer>()(
  Type.Object({
    id: text('The id that the event has'),
    stream: text('The stream that has stored it'),
    sequence: count('Its place there'),
    duplicate: flag('The stream knew the id already, so nothing was added'),
  }),
);

export const FieldErrorsSchema = Type.Array(
  Type.Object({
    pointer: text('JSON pointer (RFC 6901), empty for the whole body; or the name of a parameter'),
    detail: text('What is wrong there'),
  }),
);

/** The named reasons to refuse an event. */
export const ReasonSchema = Type.Unsafe<RefusalReason>({
  type: 'string',
  enum: Object.keys(REFUSALS),
  description: 'The same as in dead letters and metrics',
});

export const RejectedSchema = describing<readonly RejectedEvent[]>()(
  Type.Array(
    Type.Object({
      index: count('Place in the batch, from 0'),
      reason: ReasonSchema,
      errors: FieldErrorsSchema,
    }),
  ),
);

export const BatchSchema = describing<BatchAnswer>()(
  Type.Object({
    accepted: count('Events that were added'),
    duplicates: count('Events whose id the stream knew already'),
    rejected: RejectedSchema,
  }),
);
