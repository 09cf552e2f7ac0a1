import { createHash } from 'node:crypto';
import type { AlertMessage } from '../alert.js';
import { goesOn, type Notice } from './notice.js';

type Texts = Readonly<Record<string, string>>;

interface AlertmanagerAlert {
  readonly status: 'firing' | 'resolved';
  readonly labels: Texts;
  readonly annotations: Texts;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
  readonly fingerprint: string;
}

/** Alertmanager's webhook body, version "4": https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
export interface AlertmanagerBody {
  readonly version: '4';
  readonly groupKey: string;
  readonly truncatedAlerts: number;
  readonly status: 'firing' | 'resolved';
  readonly receiver: string;
  readonly groupLabels: Texts;
  readonly commonLabels: Texts;
  readonly commonAnnotations: Texts;
  readonly externalURL: string;
  readonly alerts: readonly AlertmanagerAlert[];
}

/** Go's zero time, which stands for "not yet". */
const NO_TIME = '0001-01-01T00:00:00Z';

/**
 * @param externalUrl of this service, for people
 */
export function alertmanagerBody(notice: Notice, externalUrl: string): AlertmanagerBody {
  const alerts = notice.told.map(({ alert }) => toAlert(alert, externalUrl));
  const names = [...new Set(notice.told.map(({ alert }) => alert.name))];
  const [name = ''] = names;
  // A group of one rule has its name for a key, so that what resolves it belongs to the same incident.
  const groupLabels = names.length === 1 ? { alertname: name } : {};
  return {
    version: '4',
    groupKey: `{}:{${names.length === 1 ? `alertname=${JSON.stringify(name)}` : ''}}`,
    // A notice is bounded already, and what counts as told has to stand in it.
    truncatedAlerts: 0,
    status: notice.told.some(({ as }) => goesOn(as)) ? 'firing' : 'resolved',
    receiver: notice.channel,
    groupLabels,
    commonLabels: common(alerts.map(({ labels }) => labels)),
    commonAnnotations: common(alerts.map(({ annotations }) => annotations)),
    externalURL: externalUrl,
    alerts,
  };
}

function toAlert(alert: AlertMessage, externalUrl: string): AlertmanagerAlert {
  const labels = { ...alert.labels, alertname: alert.name, severity: alert.severity };
  return {
    status: alert.status,
    labels,
    annotations: {
      summary: alert.summary,
      condition: alert.condition,
      ...(alert.value === null ? {} : { value: String(alert.value) }),
    },
    startsAt: alert.starts_at,
    endsAt: alert.ends_at ?? NO_TIME,
    generatorURL: externalUrl === '' ? '' : `${externalUrl}/metrics/alerts`,
    fingerprint: fingerprintOf(labels),
  };
}

/** Of the labels alone, as there: the same while it fires, when it is repeated, and when it resolves. 16 hex digits. */
function fingerprintOf(labels: Texts): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16);
}

/** The pairs that all have. */
function common(all: readonly Texts[]): Texts {
  const [first = {}, ...rest] = all;
  return Object.fromEntries(Object.entries(first).filter(([name, value]) => rest.every((one) => one[name] === value)));
}
