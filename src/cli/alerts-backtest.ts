import { GRACE_MS } from '../alerts/alert-engine.js';
import { Backtest } from '../alerts/backtest/backtest.js';
import { backtestDocument } from '../alerts/backtest/backtest-document.js';
import { type BacktestRange, parseBacktestRange } from '../alerts/backtest/backtest-range.js';
import { type ReadOutcome, readRange } from '../alerts/backtest/read-range.js';
import { needRules } from '../alerts/load-rules.js';
import { lookbackMs } from '../alerts/lookback.js';
import type { AlertsTrialConfig } from '../config.js';
import { ConfigError, UsageError } from '../config-error.js';
import { ConnectionWatch, connectNats, isNatsTrouble, type NatsConnection } from '../stream/connection.js';
import { FeedBroken } from '../stream/log-feed.js';
import { EVENTS_STREAM } from '../stream/streams.js';
import { ServerUnreachable } from '../wait-for-server.js';
import { backtestText } from './backtest-text.js';
import { Progress } from './progress.js';
import { thresholdsOf } from './rules-file.js';
import { stopOnSignal } from './stop-signal.js';

export interface BacktestArguments {
  readonly from: string;
  readonly to: string;
  /** Undefined: that of the configuration. */
  readonly rules: string | undefined;
  /** A second file, which the first is compared with. */
  readonly diff: string | undefined;
  readonly late: boolean;
  readonly json: boolean;
}

/** With late events every bucket stays open until the end, so the range has to fit into memory. */
const MAX_LATE_RANGE_MS = 7 * 86_400_000;
/** What was stored so long ago has been delivered, if the stream says that there is no more. */
const QUIET_MS = 2_000;

/**
 * `metrics alerts backtest`: what rules would have told of the past. Reads the log with a consumer of its own; writes and
 * sends nothing.
 *
 * @returns 0, whatever fired
 * @throws ConfigError, ServerUnreachable
 */
export async function runAlertsBacktest(config: AlertsTrialConfig, given: BacktestArguments): Promise<number> {
  const intervalMs = config.alerts.intervalSeconds * 1000;
  const outcome = parseBacktestRange(given, Date.now(), intervalMs);
  if (!outcome.ok) throw new ConfigError(outcome.problems);
  const { range } = outcome;
  if (given.late && range.toMs - range.fromMs > MAX_LATE_RANGE_MS) {
    throw new UsageError([{ name: '--late', detail: 'counts late events of at most 7 days at a time' }]);
  }
  const files = [given.rules ?? config.alerts.file, ...(given.diff === undefined ? [] : [given.diff])];
  const loaded = files.map((file) => ({ file, rules: needRules(file) }));
  const startMs =
    range.fromMs - toWhole(Math.max(...loaded.map(({ rules }) => lookbackMs(rules, intervalMs))), intervalMs);
  const common = { ...range, startMs, intervalMs, thresholds: thresholdsOf(config), countLate: given.late };
  // All begin at one time, so that a rule that stands in both tells the same in both.
  const tests = loaded.map(({ file, rules }) => ({ file, backtest: new Backtest({ ...common, rules }) }));
  const backtests = tests.map(({ backtest }) => backtest);
  const log = await readLog(config, range, startMs, given.late, backtests);
  if (log === undefined) return 1;
  const [first, second] = tests.map(({ file, backtest }) => ({ file, result: backtest.finish(log.logTimeMs) }));
  if (first === undefined) throw new Error('no rules were loaded');
  const isCut = !given.late && log.beginsAtMs !== undefined && log.beginsAtMs > range.fromMs;
  const read = { ...log.read, beginsAtMs: isCut ? log.beginsAtMs : undefined };
  const document = backtestDocument(range, intervalMs, read, first, second);
  process.stdout.write(given.json ? `${JSON.stringify(document, undefined, 2)}\n` : backtestText(document));
  return 0;
}

function toWhole(durationMs: number, intervalMs: number): number {
  return Math.ceil(durationMs / intervalMs) * intervalMs;
}

interface ReadLog {
  readonly read: ReadOutcome;
  /** Everything that was stored up to then has been taken. */
  readonly logTimeMs: number;
  /** When the first message was stored that the log still has; undefined where it has none. */
  readonly beginsAtMs: number | undefined;
}

/** Hands each event to all back-tests. @returns undefined where a signal ended it */
async function readLog(
  config: AlertsTrialConfig,
  { toMs }: BacktestRange,
  startMs: number,
  isLate: boolean,
  backtests: readonly Backtest[],
): Promise<ReadLog | undefined> {
  const stop = stopOnSignal();
  const progress = new Progress('events');
  let connection: NatsConnection | undefined;
  try {
    connection = await connectNats(config.nats, 'metrics alerts backtest');
    const manager = await connection.jetstreamManager();
    const begunMs = Date.now();
    const { retentionDays, sources } = config;
    const reader = {
      connection,
      watch: new ConnectionWatch(connection),
      manager,
      retentionDays,
      sources,
      signal: stop,
    };
    const read = await readRange(reader, {
      fromMs: startMs,
      untilMs: isLate ? begunMs : toMs + GRACE_MS,
      onEvent: (event, storedAtMs) => {
        for (const backtest of backtests) backtest.take(event, storedAtMs);
      },
      onProgress: (done, total) => progress.update(done, total),
    });
    progress.finish(read.events + read.refused);
    const { state } = await manager.streams.info(EVENTS_STREAM);
    const beginsAtMs = state.messages === 0 ? undefined : Date.parse(String(state.first_ts));
    // While the log is quiet its time goes on by the clock.
    return { read, logTimeMs: read.reachedEnd ? begunMs - QUIET_MS : toMs + GRACE_MS, beginsAtMs };
  } catch (error) {
    progress.abandon();
    if (stop.aborted) return undefined;
    if (error instanceof FeedBroken || isNatsTrouble(error)) throw new ServerUnreachable('NATS', error);
    throw error;
  } finally {
    await connection?.close();
  }
}
