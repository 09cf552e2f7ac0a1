import { formatTime } from '../../events/time.js';
import { type AlertMessage, alertIdOf } from '../alert.js';
import type { Channel } from '../rule.js';
import {
  type Attention,
  decideGroup,
  groupRepeats,
  type NotTold,
  type PendingTransition,
  repeatDueMs,
} from './decide.js';
import { goesOn, type Notice, noticeKey, type ToldAlert } from './notice.js';
import type { NotifiedRecord } from './records.js';

/** A group that is closed, and what is told of it. */
export interface Batch {
  /** Undefined where nothing is told. */
  readonly notice: Notice | undefined;
  readonly notTold: readonly NotTold[];
  readonly key: string;
  /** Sequence in METRICS_ALERTS up to which everything is done with once this batch is. */
  readonly throughSequence: number;
  /** The time from which the tries are counted, ms. */
  readonly sinceMs: number;
}

export interface BatchRules {
  /** What comes so soon after the first of a group belongs to it. */
  readonly groupMs: number;
  /** How long after its end a group is waited for, as a message may be on its way. */
  readonly settleMs: number;
  readonly giveUpAfterMs: number;
  readonly attention: Attention;
  /** `repeat` of a rule; undefined: none, or there is no such rule any more. */
  readonly repeatMsOf: (rule: string) => number | undefined;
}

/** Transitions in one group; the next begins another. */
const MAX_GROUP_TRANSITIONS = 500;

/**
 * What one channel knows: a fold of the log of alerts and of the channel's own records. Groups are cut by the times at
 * which transitions were stored, so whoever folds the same log forms the same groups, and a notice that is sent again
 * after a crash has the same key.
 */
export class ChannelState {
  /** Alert → its message, of those that fire as far as the log has been read. */
  readonly #firing = new Map<string, AlertMessage>();
  /** Alert → when the channel was told last that it fires, ms. */
  readonly #toldAtMs = new Map<string, number>();
  #pending: (PendingTransition & { readonly receivedAtMs: number })[] = [];
  #position: number;

  /** @param position sequence up to which the records say that everything is done with */
  constructor(
    private readonly channel: Channel,
    position: number,
    private readonly rules: BatchRules,
  ) {
    this.#position = position;
  }

  get pending(): number {
    return this.#pending.length;
  }

  get position(): number {
    return this.#position;
  }

  /** Takes one of the channel's records: those before, in their order, and each new one. */
  remember(record: NotifiedRecord): void {
    // The log was made anew, or the channel is new: what was told before is of alerts that are not there.
    if (record.outcome === 'started') {
      this.#position = record.through_sequence;
      this.#toldAtMs.clear();
    }
    // What was given up counts as told: the receiver may have got it, and nobody tries for ever.
    for (const { alert_id: id, status } of [...record.alerts, ...record.given_up]) {
      if (status === 'firing') this.#toldAtMs.set(id, Date.parse(record.at));
      else this.#toldAtMs.delete(id);
    }
    this.#position = Math.max(this.#position, record.through_sequence);
    this.#pending = this.#pending.filter(({ sequence }) => sequence > this.#position);
  }

  /**
   * Takes the next transition of the log. One that names other channels matters only where it ends what this one was to
   * be told of: the rule may have changed meanwhile.
   */
  take(transition: PendingTransition, nowMs: number): void {
    const { alert, sequence } = transition;
    const id = alertIdOf(alert);
    const isNamed = alert.notification.includes(this.channel);
    if (!isNamed && !(alert.status === 'resolved' && this.#firing.has(id))) return;
    if (alert.status === 'firing') this.#firing.set(id, alert);
    else this.#firing.delete(id);
    if (sequence > this.#position) this.#pending.push({ ...transition, receivedAtMs: nowMs });
  }

  /** Forgets what was told of alerts that are over. To be called when the log has been read to its end. */
  prune(): void {
    const waiting = new Set(this.#pending.map(({ alert }) => alertIdOf(alert)));
    for (const id of this.#toldAtMs.keys()) {
      if (!this.#firing.has(id) && !waiting.has(id)) this.#toldAtMs.delete(id);
    }
  }

  /** The next group that is closed, or the repeats that are due; undefined where there is nothing to do yet. */
  nextBatch(nowMs: number): Batch | undefined {
    return this.#nextGroup(nowMs) ?? this.#nextRepeats(nowMs);
  }

  #nextGroup(nowMs: number): Batch | undefined {
    const { groupMs, settleMs, giveUpAfterMs, attention } = this.rules;
    const first = this.#pending[0];
    if (first === undefined) return undefined;
    const endMs = first.storedAtMs + groupMs;
    const behind = this.#pending.findIndex(({ storedAtMs }) => storedAtMs >= endMs);
    const group = this.#pending.slice(0, behind === -1 ? undefined : behind).slice(0, MAX_GROUP_TRANSITIONS);
    const isClosed = group.length < this.#pending.length || group.length === MAX_GROUP_TRANSITIONS;
    // By the server's clock, or by this process's alone where that is far behind.
    const closesAtMs = Math.min(endMs, first.receivedAtMs + groupMs) + settleMs;
    if (!isClosed && nowMs < closesAtMs) return undefined;
    const { told, notTold } = decideGroup(group, {
      nowMs,
      attention,
      giveUpAfterMs,
      wasTold: (id) => this.#toldAtMs.has(id),
      isFiring: (id) => this.#firing.has(id),
    });
    const parts = told.length > 0 ? told.map(({ as, alert }) => `${as} ${alert.id}`) : notTold.map(({ id }) => id);
    const throughSequence = group.at(-1)?.sequence ?? this.#position;
    return { ...this.#batch(parts, told, nowMs), notTold, throughSequence, sinceMs: first.storedAtMs };
  }

  #nextRepeats(nowMs: number): Batch | undefined {
    const { groupMs, attention, repeatMsOf } = this.rules;
    const waiting = new Set(this.#pending.map(({ alert }) => alertIdOf(alert)));
    const due = [...this.#firing].flatMap(([id, alert]) => {
      if (waiting.has(id)) return [];
      const toldAtMs = this.#toldAtMs.get(id);
      const dueMs = repeatDueMs({ alert, toldAtMs }, repeatMsOf(alert.name), attention, nowMs);
      return typeof dueMs === 'number' ? [{ alert, toldAtMs, dueMs }] : [];
    });
    const group = groupRepeats(due, groupMs, nowMs).slice(0, MAX_GROUP_TRANSITIONS);
    if (group.length === 0) return undefined;
    const told = group.map(({ alert, toldAtMs }): ToldAlert => {
      return { as: toldAtMs === undefined ? 'firing' : 'still_firing', alert };
    });
    const parts = group.map(({ alert, dueMs }) => `due ${dueMs} ${alert.id}`);
    return {
      ...this.#batch(parts, told, nowMs),
      notTold: [],
      throughSequence: this.#position,
      sinceMs: nowMs,
    };
  }

  #batch(parts: readonly string[], told: readonly ToldAlert[], nowMs: number): Pick<Batch, 'key' | 'notice'> {
    const key = noticeKey(this.channel, parts);
    return { key, notice: told.length === 0 ? undefined : { channel: this.channel, key, atMs: nowMs, told } };
  }
}

/** What is remembered of a batch. */
export function recordOf(
  channel: Channel,
  batch: Batch,
  outcome: NotifiedRecord['outcome'],
  comment: string,
  nowMs: number,
): NotifiedRecord {
  const alerts = (batch.notice?.told ?? []).map(({ as, alert }) => ({
    alert_id: alertIdOf(alert),
    status: goesOn(as) ? ('firing' as const) : ('resolved' as const),
  }));
  return {
    type: 'notified',
    // A group that is skipped has another id than one that was sent, although the key is made of the same ids.
    id: `notified:${channel}:${outcome}:${batch.key}`,
    at: formatTime(nowMs),
    by: `notify-${channel}`,
    comment,
    channel,
    outcome,
    group_key: batch.key,
    through_sequence: batch.throughSequence,
    alerts: outcome === 'sent' ? alerts : [],
    given_up: outcome === 'dead_lettered' ? alerts : [],
    not_told: [...batch.notTold],
  };
}
