import { type AlertMessage, type AlertStatus, transitionId } from '../../src/alerts/alert.js';
import type { ToldAlert, ToldAs } from '../../src/alerts/notify/notice.js';

export const ALERT_START = '2026-11-24T12:00:00.000Z';
export const ALERT_END = '2026-11-24T12:05:00.000Z';

/** A message of `metrics.alert` for all channels. */
export function alertMessage(name: string, status: AlertStatus, changes: Partial<AlertMessage> = {}): AlertMessage {
  const labels = changes.labels ?? { service_name: 'billing' };
  const startsAt = changes.starts_at ?? ALERT_START;
  return {
    id: transitionId(name, labels, startsAt, status),
    name,
    status,
    severity: 'critical',
    condition: 'error_rate > 0.05',
    value: 0.08,
    labels,
    starts_at: startsAt,
    ends_at: status === 'resolved' ? ALERT_END : null,
    evaluated_at: status === 'resolved' ? ALERT_END : startsAt,
    notification: ['email', 'slack', 'webhook'],
    summary: `billing: ${name}`,
    ...changes,
  };
}

export function toldAlert(name: string, as: ToldAs, changes: Partial<AlertMessage> = {}): ToldAlert {
  const status = as === 'firing' || as === 'still_firing' ? 'firing' : 'resolved';
  return { as, alert: alertMessage(name, status, changes) };
}
