import type { AlertAction, Notified } from '../stream/alert-actions.js';
import { type AlertMessage, type AlertStatus, alertIdOf, alertKey, type Labels, msOf, serviceOf } from './alert.js';
import type { FiringSince } from './alert-engine.js';
import { covers, hasEnded, matches, type Silence, silenceOf } from './silence.js';

/** Alerts that are remembered, those that fire always. */
const MAX_ALERTS = 20_000;
/** Silences that are remembered: those that have ended go first, then the oldest of those until resolved. */
const MAX_SILENCES = 5_000;

export interface Acknowledgement {
  readonly by: string;
  /** RFC 3339. */
  readonly at: string;
  readonly comment: string;
}

/** One alert from its start to its end, if it has one: what `firing` and `resolved` tell together. */
export interface BookedAlert {
  /** Of the transition with which it began; the same when it has resolved. */
  readonly id: string;
  /** The latest transition. Its `id` is its own. */
  readonly latest: AlertMessage;
  readonly acknowledged: Acknowledgement | undefined;
  /** Channel → what it was told last. */
  readonly notified: ReadonlyMap<string, Notice>;
}

/** What a channel was told of an alert last. */
export interface Notice {
  readonly status: AlertStatus;
  /** By the log, ms since 1970. */
  readonly atMs: number;
}

/** What was published last about a rule and its labels. */
export interface LatestTransition {
  readonly status: AlertStatus;
  readonly startsAtMs: number;
  readonly evaluatedAtMs: number;
}

/** What fires by METRICS_ALERTS, and the labels that it was published with. */
export interface PublishedFiring extends FiringSince {
  readonly labels: Labels;
}

export interface AlertsQuestion {
  readonly status?: AlertStatus | undefined;
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * What fires, what has fired, who acknowledged it and what is silenced: METRICS_ALERTS and METRICS_ALERT_ACTIONS, folded in
 * their order from their beginning. A repeat of a message changes nothing.
 */
export class AlertBook {
  /** Id of the alert → alert, the one that began to be known first at the front. */
  readonly #alerts = new Map<string, BookedAlert>();
  readonly #firing = new Map<string, BookedAlert>();
  readonly #latest = new Map<string, LatestTransition>();
  readonly #silences = new Map<string, Silence>();
  // Apart from the alerts, because of two streams either may be read first.
  readonly #acknowledged = new Map<string, Acknowledgement>();
  readonly #notified = new Map<string, ReadonlyMap<string, Notice>>();

  takeAlert(message: AlertMessage): void {
    const id = alertIdOf(message);
    const key = alertKey(message.name, message.labels);
    const startsAtMs = msOf(message.starts_at);
    const evaluatedAtMs = msOf(message.evaluated_at);
    const before = this.#latest.get(key);
    if (before !== undefined && before.evaluatedAtMs >= evaluatedAtMs) return;
    this.#latest.delete(key);
    this.#latest.set(key, { status: message.status, startsAtMs, evaluatedAtMs });
    this.#set(id, message);
    this.#forget();
  }

  /** @param storedAtMs when JetStream stored it, ms since 1970 */
  takeAction(action: AlertAction, storedAtMs: number): void {
    switch (action.type) {
      case 'acknowledged': {
        const { alert_id: id, by, at, comment } = action;
        if (!this.#acknowledged.has(id)) keep(this.#acknowledged, id, { by, at, comment }, MAX_ALERTS);
        return this.#renew(id);
      }
      case 'silenced':
        if (!this.#silences.has(action.id)) this.#silences.set(action.id, silenceOf(action, storedAtMs));
        return this.#forgetSilences(storedAtMs);
      case 'silence_ended': {
        const silence = this.#silences.get(action.silence_id);
        if (silence !== undefined && silence.endedAtMs === undefined) {
          this.#silences.set(silence.id, { ...silence, endedAtMs: storedAtMs });
        }
        return;
      }
      case 'notified':
        return this.#noteNotified(action, storedAtMs);
    }
  }

  /** An alert by the id of its first transition. */
  find(id: string): BookedAlert | undefined {
    return this.#alerts.get(id);
  }

  /** What fires now, by the time at which it began. */
  firing(): BookedAlert[] {
    return [...this.#firing.values()].sort(byStart);
  }

  /** What fires now and has these labels; `alertname` is the rule's name, `severity` its severity. */
  firingWith(matchers: Readonly<Record<string, string>>): BookedAlert[] {
    return this.firing().filter(({ latest }) => matches(matchers, latest));
  }

  /** Alerts that fired at some time of [from, to], the latest first. */
  between({ status, fromMs, toMs }: AlertsQuestion): BookedAlert[] {
    const found = [...this.#alerts.values()].filter(({ latest }) => {
      if (status !== undefined && latest.status !== status) return false;
      return msOf(latest.starts_at) <= toMs && (latest.ends_at === null || msOf(latest.ends_at) >= fromMs);
    });
    return found.sort((a, b) => byStart(b, a));
  }

  /** What was published last about a rule and its labels. */
  latestOf(key: string): LatestTransition | undefined {
    return this.#latest.get(key);
  }

  /** What fired when the interval that ends at `atMs` had been judged. */
  firingAt(atMs: number): PublishedFiring[] {
    const found = this.between({ fromMs: atMs, toMs: atMs });
    return found
      .filter(({ latest }) => latest.ends_at === null || msOf(latest.ends_at) > atMs)
      .map(({ latest }) => ({
        rule: latest.name,
        service: serviceOf(latest),
        labels: latest.labels,
        startsAtMs: msOf(latest.starts_at),
        value: latest.value,
      }));
  }

  silence(id: string): Silence | undefined {
    return this.#silences.get(id);
  }

  /** Silences that hold at a time, the latest first. Of those until resolved, the ones that cover something that fires. */
  silencesAt(atMs: number): Silence[] {
    const firing = this.firing();
    const holds = (silence: Silence): boolean =>
      silence.untilMs === undefined
        ? firing.some(({ latest }) => covers(silence, latest, atMs))
        : silence.madeAtMs <= atMs && !hasEnded(silence, atMs);
    return [...this.#silences.values()].filter(holds).reverse();
  }

  /** Silences that cover an alert at a time. */
  silencesOf(alert: Pick<AlertMessage, 'name' | 'severity' | 'labels' | 'starts_at'>, atMs: number): Silence[] {
    return [...this.#silences.values()].filter((silence) => covers(silence, alert, atMs));
  }

  #set(id: string, latest: AlertMessage): void {
    const notified = this.#notified.get(id) ?? new Map<string, Notice>();
    const alert = { id, latest, acknowledged: this.#acknowledged.get(id), notified };
    this.#alerts.set(id, alert);
    if (latest.status === 'firing') this.#firing.set(id, alert);
    else this.#firing.delete(id);
  }

  #renew(id: string): void {
    const alert = this.#alerts.get(id);
    if (alert !== undefined) this.#set(id, alert.latest);
  }

  #noteNotified({ channel, alerts }: Notified, atMs: number): void {
    for (const { alert_id: id, status } of alerts) {
      keep(this.#notified, id, new Map(this.#notified.get(id)).set(channel, { status, atMs }), MAX_ALERTS);
      this.#renew(id);
    }
  }

  #forget(): void {
    if (this.#alerts.size > MAX_ALERTS) this.#alerts.delete(firstWhere(this.#alerts, isResolved) ?? '');
    if (this.#latest.size > MAX_ALERTS)
      this.#latest.delete(firstWhere(this.#latest, ({ status }) => status === 'resolved') ?? '');
  }

  #forgetSilences(atMs: number): void {
    if (this.#silences.size <= MAX_SILENCES) return;
    // Whether one until resolved covers something still is not known before both streams are read. There may be far more of
    // them than hold, as nobody ends them, and none of them may push out one that was made until a time.
    const id =
      firstWhere(this.#silences, (silence) => hasEnded(silence, atMs)) ??
      firstWhere(this.#silences, ({ untilMs }) => untilMs === undefined) ??
      firstWhere(this.#silences, () => true);
    this.#silences.delete(id ?? '');
  }
}

/** Sets an entry; past the bound the one that was set first goes. */
function keep<T>(map: Map<string, T>, key: string, value: T, maxEntries: number): void {
  map.set(key, value);
  if (map.size > maxEntries) map.delete(firstWhere(map, () => true) ?? '');
}

function isResolved({ latest }: BookedAlert): boolean {
  return latest.status === 'resolved';
}

function byStart(a: BookedAlert, b: BookedAlert): number {
  return msOf(a.latest.starts_at) - msOf(b.latest.starts_at) || (a.id < b.id ? -1 : 1);
}

/** The key that stands first among those whose values are so. */
function firstWhere<T>(map: ReadonlyMap<string, T>, isSo: (value: T) => boolean): string | undefined {
  for (const [key, value] of map) if (isSo(value)) return key;
  return undefined;
}
