import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';

/** An alert from its start to its end, as `GET /metrics/alerts` shows it. */
export interface AlertEntry {
  readonly id: string;
  readonly name: string;
  readonly status: 'firing' | 'resolved';
  readonly severity: string;
  readonly condition: string;
  readonly value: number | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly starts_at: string;
  readonly ends_at: string | null;
  readonly evaluated_at: string;
  readonly notification: readonly string[];
  readonly summary: string;
  readonly acknowledged: { readonly by: string; readonly at: string; readonly comment: string } | null;
  /** What each channel was told last. */
  readonly told: readonly { readonly channel: string; readonly status: 'firing' | 'resolved'; readonly at: string }[];
  /** Ids of the silences that cover it now. */
  readonly silenced_by: readonly string[];
}

export interface AlertsAnswer {
  readonly generated_at: string;
  readonly from: string;
  readonly to: string;
  /** Those that fired in the range, the latest first. */
  readonly alerts: readonly AlertEntry[];
  /** Whether these are all, and not the latest of more. */
  readonly complete: boolean;
}

/** A silence that holds. */
export interface SilenceEntry {
  readonly id: string;
  readonly made_at: string;
  readonly by: string;
  readonly comment: string;
  /** Label → exact value; `alertname` is the rule's name, `severity` its severity. */
  readonly matchers: Readonly<Record<string, string>>;
  /** Null: until the alerts that fired when it was made have resolved. */
  readonly until: string | null;
  /** Ids of the alerts that fire and that it covers. */
  readonly covers: readonly string[];
}

export interface SilencesAnswer {
  readonly generated_at: string;
  readonly silences: readonly SilenceEntry[];
}

export interface AlertsQuestion {
  /** Undefined: both. */
  readonly status: 'firing' | 'resolved' | undefined;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Gives what the alerts' book has. The composition passes it: queries and alerts never import one another. */
export interface AlertsReader {
  alerts(question: AlertsQuestion, nowMs: number): readonly AlertEntry[];
  silences(nowMs: number): readonly SilenceEntry[];
}

/** Alerts in one answer. */
export const MAX_ALERTS = 1_000;

/** What fires, and what has fired. */
export class GetAlerts extends Query<AlertsAnswer> {
  constructor(readonly question: AlertsQuestion) {
    super();
  }
}

@QueryHandler(GetAlerts)
export class GetAlertsHandler implements IQueryHandler<GetAlerts> {
  constructor(
    private readonly reader: AlertsReader,
    private readonly now: () => number,
  ) {}

  async execute({ question }: GetAlerts): Promise<AlertsAnswer> {
    const nowMs = this.now();
    const alerts = this.reader.alerts(question, nowMs);
    return {
      generated_at: new Date(nowMs).toISOString(),
      from: new Date(question.fromMs).toISOString(),
      to: new Date(question.toMs).toISOString(),
      alerts: alerts.slice(0, MAX_ALERTS),
      complete: alerts.length <= MAX_ALERTS,
    };
  }
}

/** What is silenced now. */
export class GetSilences extends Query<SilencesAnswer> {}

@QueryHandler(GetSilences)
export class GetSilencesHandler implements IQueryHandler<GetSilences> {
  constructor(
    private readonly reader: AlertsReader,
    private readonly now: () => number,
  ) {}

  async execute(): Promise<SilencesAnswer> {
    const nowMs = this.now();
    return { generated_at: new Date(nowMs).toISOString(), silences: this.reader.silences(nowMs) };
  }
}
