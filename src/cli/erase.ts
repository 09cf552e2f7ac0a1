import { eraseEverywhere } from '../app/erase.js';
import { type Environment, loadFoldConfig } from '../config.js';
import { UsageError } from '../config-error.js';
import { isNatsTrouble } from '../stream/connection.js';
import { FeedBroken } from '../stream/log-feed.js';
import { ServerUnreachable } from '../wait-for-server.js';
import { Progress } from './progress.js';
import { stopOnSignal } from './stop-signal.js';

const MAX_USER_ID = 2_147_483_647;
const FINE = 0;
const WRONG = 1;
const UNREACHABLE = 3;
const REBUILDING = 'A rebuild is running. Wait for its end, or stop it, and try again. Nothing was changed.\n';
const DENIED =
  'METRICS was made with deny_delete, which JetStream keeps for good: nothing can be deleted from it. ' +
  'docs/decisions/erasing.md says how to make the stream anew with what it holds. Nothing was changed.\n';

/**
 * `metrics erase --user <id>`: removes everything that names a person from the log, the tables, the dead letters and the
 * summaries, and says what it removed.
 *
 * @returns 0; 1 where nothing was done or it was interrupted; 3 where Redis is away and forgets later
 * @throws ConfigError, ServerUnreachable
 */
export async function runErase(env: Environment, user: string, json: boolean): Promise<number> {
  const userId = readUser(user);
  const config = loadFoldConfig(env);
  const signal = stopOnSignal();
  const progress = new Map<string, Progress>();
  const onProgress = (step: string, done: number, total: number): void => {
    const shown = progress.get(step) ?? new Progress(step);
    progress.set(step, shown);
    shown.update(done, total);
  };
  try {
    const outcome = await eraseEverywhere(config, userId, { signal, onProgress });
    for (const shown of progress.values()) shown.abandon();
    if (outcome.kind !== 'erased') return fail(outcome.kind === 'denied' ? DENIED : REBUILDING);
    const { events, deadLetters, rows, otherRows } = outcome.erased;
    const document = {
      user_id: userId,
      events,
      dead_letters: deadLetters,
      ...rows,
      rows_of_rebuilds: otherRows,
      redis: outcome.hasRedisForgotten ? 'forgotten' : 'away: a service folds the summaries anew when it is back',
    };
    process.stdout.write(json ? `${JSON.stringify(document, undefined, 2)}\n` : describe(document));
    return outcome.hasRedisForgotten ? FINE : UNREACHABLE;
  } catch (error) {
    if (signal.aborted) return fail('Interrupted: the same command does the rest.\n');
    if (error instanceof FeedBroken || isNatsTrouble(error)) throw new ServerUnreachable('NATS', error);
    throw error;
  }
}

function readUser(text: string): number {
  const userId = Number(text);
  if (/^-?\d{1,10}$/.test(text) && userId >= -MAX_USER_ID - 1 && userId <= MAX_USER_ID) return userId;
  throw new UsageError([{ name: '--user', detail: 'must be the id of a user, an int32' }]);
}

function fail(text: string): number {
  process.stderr.write(text);
  return WRONG;
}

function describe(document: Readonly<Record<string, string | number>>): string {
  const lines = Object.entries(document).map(([name, value]) => `${name.padEnd(18)} ${value}`);
  return `${lines.join('\n')}\n`;
}
