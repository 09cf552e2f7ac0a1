import { DEAD_LETTER_HEADERS } from '../../stream/dead-letters.js';
import { ALERT_SUBJECT, ALERTS_STREAM } from '../../stream/streams.js';
import { ALERT_EXAMPLE, AlertSchema } from '../schemas/alert.js';

export type Json = Readonly<Record<string, unknown>>;

export const text = (description: string, more: Json = {}): Json => ({ type: 'string', description, ...more });

const { reason, detail, sequence, subject, time, originalId } = DEAD_LETTER_HEADERS;

/** The message that parks what a channel was to be told of alerts. */
export const DEAD_NOTICE = {
  name: 'DeadNotice',
  title: 'Notice that was given up',
  summary: 'A channel could not be told of alerts',
  contentType: 'application/json',
  headers: {
    type: 'object',
    required: [reason, detail, sequence, subject, time, originalId],
    properties: {
      'Nats-Msg-Id': text('`notice-<channel>-<key>`'),
      [reason]: text('Always the same', { const: 'notification_failed' }),
      [detail]: text('The channel, and why it was given up'),
      [sequence]: text(`Sequence in ${ALERTS_STREAM} of the last transition that it tells of`, {
        pattern: '^[0-9]+$',
      }),
      [subject]: text('Where that came', { const: ALERT_SUBJECT }),
      [time]: text('When it was given up', { format: 'date-time' }),
      [originalId]: text('The key of the notice, as on every try'),
    },
  },
  payload: {
    type: 'object',
    required: ['channel', 'key', 'reason', 'told', 'not_told'],
    properties: {
      channel: { enum: ['email', 'slack', 'webhook'] },
      key: text('The same as in the headers'),
      reason: text('A name, as `status_503` or `timeout`'),
      told: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            as: { enum: ['firing', 'still_firing', 'resolved', 'fired_and_resolved'] },
            alert: { ...AlertSchema },
          },
        },
      },
      not_told: {
        type: 'array',
        items: { type: 'object', properties: { id: text('Of the transition'), reason: text('Why') } },
      },
    },
  },
  examples: [
    {
      name: 'Slack was away for a day',
      headers: {
        [reason]: 'notification_failed',
        [detail]: 'slack: status_503',
        [sequence]: '7',
        [subject]: ALERT_SUBJECT,
        [time]: '2026-11-25T12:00:31.000Z',
        [originalId]: '0f3a6c1d8e5b47729a4c6d2e1f708395',
      },
      payload: {
        channel: 'slack',
        key: '0f3a6c1d8e5b47729a4c6d2e1f708395',
        reason: 'status_503',
        told: [{ as: 'firing', alert: ALERT_EXAMPLE }],
        not_told: [],
      },
    },
  ],
};
