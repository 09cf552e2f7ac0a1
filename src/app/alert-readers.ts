import type { AlertBook, BookedAlert } from '../alerts/alert-book.js';
import type { BookFeed } from '../alerts/book-feed.js';
import { covers, type Silence } from '../alerts/silence.js';
import type { AlertLookup } from '../commands/append-action.js';
import { formatTime } from '../events/time.js';
import type { AlertEntry, AlertsReader, SilenceEntry } from '../queries/get-alerts.js';
import type { FiringAlert, FiringAlertsReader } from '../queries/summary.js';

/** How long an answer to a command waits until this process knows what it has appended. */
const KNOWN_TIMEOUT_MS = 2_000;

/** What fires, as the summary, the dashboard and the scrape show it; the same array while the same fires. */
export function firingReader(feed: BookFeed): FiringAlertsReader {
  let known: readonly BookedAlert['latest'][] = [];
  let shown: readonly FiringAlert[] = [];
  return async () => {
    const latest = feed.book.firing().map((alert) => alert.latest);
    if (latest.length !== known.length || latest.some((each, index) => each !== known[index])) {
      known = latest;
      shown = latest.map(({ name, severity, labels, value, starts_at }) => ({
        name,
        severity,
        labels,
        value,
        starts_at,
      }));
    }
    return shown;
  };
}

/** What the queries about alerts ask. */
export function alertsReader(feed: BookFeed): AlertsReader {
  return {
    alerts: (question, nowMs) => feed.book.between(question).map((alert) => entryOf(alert, feed.book, nowMs)),
    silences: (nowMs) => feed.book.silencesAt(nowMs).map((silence) => silenceEntryOf(silence, feed.book, nowMs)),
  };
}

/** What the commands about alerts ask. */
export function alertLookup(feed: BookFeed, now: () => number): AlertLookup {
  return {
    alertStatus: (id) => feed.book.find(id)?.latest.status,
    acknowledgement: (id) => feed.book.find(id)?.acknowledged,
    silenceHolds: (id) => {
      if (feed.book.silence(id) === undefined) return undefined;
      return feed.book.silencesAt(now()).some((silence) => silence.id === id);
    },
    firingWith: (matchers) => feed.book.firingWith(matchers).length,
    silences: () => feed.book.silencesAt(now()).length,
    known: async (sequence) => {
      await feed.actions.reached(sequence, KNOWN_TIMEOUT_MS);
    },
  };
}

function entryOf(alert: BookedAlert, book: AlertBook, nowMs: number): AlertEntry {
  const { id, latest, acknowledged, notified } = alert;
  const { name, status, severity, condition, value, labels, starts_at, ends_at } = latest;
  const { evaluated_at, notification, summary } = latest;
  return {
    id,
    name,
    status,
    severity,
    condition,
    value,
    labels,
    starts_at,
    ends_at,
    evaluated_at,
    notification,
    summary,
    acknowledged: acknowledged ?? null,
    told: [...notified].map(([channel, told]) => ({ channel, status: told.status, at: formatTime(told.atMs) })),
    silenced_by: status === 'firing' ? book.silencesOf(latest, nowMs).map((silence) => silence.id) : [],
  };
}

function silenceEntryOf(silence: Silence, book: AlertBook, nowMs: number): SilenceEntry {
  const { id, madeAtMs, by, comment, matchers, untilMs } = silence;
  const covered = book.firing().filter(({ latest }) => covers(silence, latest, nowMs));
  return {
    id,
    made_at: formatTime(madeAtMs),
    by,
    comment,
    matchers,
    until: untilMs === undefined ? null : formatTime(untilMs),
    covers: covered.map((alert) => alert.id),
  };
}
