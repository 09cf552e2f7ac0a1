import type { Condition } from './condition.js';

export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

export const CHANNELS = ['email', 'slack', 'webhook'] as const;
export type Channel = (typeof CHANNELS)[number];

/** One rule of `config/alerts.yaml`, checked and compiled. Times are milliseconds. */
export interface AlertRule {
  readonly name: string;
  readonly condition: Condition;
  /** While it fires, it goes on until this holds; undefined: until the condition does not. */
  readonly resolveCondition: Condition | undefined;
  readonly severity: Severity;
  readonly notification: readonly Channel[];
  /** How long the condition has to hold before it fires. */
  readonly forMs: number;
  /** How long it goes on after the condition has ceased to hold. */
  readonly keepFiringForMs: number;
  /** How far back its measures look. */
  readonly windowMs: number;
  /** One alert for each service, or one for the platform. */
  readonly by: 'service_name' | 'none';
  /** Added to the alert's own. */
  readonly labels: Readonly<Record<string, string>>;
  /** Text for people; undefined: the condition. */
  readonly summary: string | undefined;
  /** A notice is sent again after so long while it fires; undefined: it is not. */
  readonly repeatMs: number | undefined;
}

export const DEFAULT_WINDOW_MS = 300_000;
/** What the evaluation keeps in memory; a longer look back is a question for the dashboard. */
export const MAX_WINDOW_MS = 24 * 3_600_000;
export const MAX_FOR_MS = 24 * 3_600_000;
export const MAX_RULES = 1_000;
