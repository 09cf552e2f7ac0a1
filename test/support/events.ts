import { decodeMessage } from '../../src/events/codec.js';
import type { LogEvent } from '../../src/events/kinds.js';
import { type Row, toRow } from '../../src/projections/rows.js';
import { routeOf } from '../../src/store/route.js';
import { codec, message } from './messages.js';

/** Decodes what a publisher might send; throws where it would be refused. */
export function event(subject: string, body: unknown, options: Parameters<typeof message>[2] = {}): LogEvent {
  const decoded = decodeMessage(message(subject, body, { storedAtMs: Date.now(), ...options }), codec());
  if (!decoded.ok) throw new Error(`refused: ${JSON.stringify(decoded.refusal)}`);
  return decoded.value;
}

export function row(subject: string, body: unknown, options: Parameters<typeof message>[2] = {}): Row {
  return toRow(event(subject, body, options), routeOf);
}

export const NO_BUSINESS = {
  appointmentsCreated: [],
  notificationsSent: [],
  deviceRegistrations: [],
  patientEngagementPrefixes: [],
};

export const BUSINESS = {
  appointmentsCreated: ['appointment_created'],
  notificationsSent: ['notification_sent'],
  deviceRegistrations: ['device_registered'],
  patientEngagementPrefixes: ['patient_'],
};
