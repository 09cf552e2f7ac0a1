import { Command, CommanderError } from 'commander';
import { type Environment, loadAlertsTrialConfig } from '../config.js';
import { ConfigError, UsageError } from '../config-error.js';
import { readVersion } from '../version.js';
import { ServerUnreachable } from '../wait-for-server.js';
import type { LetterOptions } from './deadletters.js';

/** What the exit status says. */
export const EXIT = { fine: 0, wrong: 1, usage: 2, unreachable: 3 } as const;

/**
 * Runs one command line. Each command is loaded when it is called, so that none waits for another's packages.
 *
 * @param args without node and the script
 * @param root the project's folder
 * @returns the exit status
 */
export async function runProgram(args: readonly string[], env: Environment, root: string): Promise<number> {
  let status: number = EXIT.fine;
  const program = new Command('metrics')
    .description('Metrics and analytics for a platform of services')
    .version(readVersion(), '-v, --version')
    .exitOverride()
    .showHelpAfterError('(--help lists the commands)');
  const command = (
    name: string,
    description: string,
    run: (options: Record<string, unknown>) => Promise<number>,
  ): Command =>
    program
      .command(name)
      .description(description)
      .action(async (options: Record<string, unknown>) => {
        status = await run(options);
      });

  command('serve', 'run the service', async () => (await import('./serve.js')).runServe(env));
  command('dev', 'run the service together with NATS, Postgres and Redis, for development', async () =>
    (await import('./dev.js')).runDev({ root, env }),
  );
  command('demo', 'run the service with data of its own, and play the traffic of six services', async (options) => {
    const { fresh, days } = options;
    return (await import('./demo.js')).runDemo({ root, env, fresh: fresh === true, days: textOf(days) });
  })
    .option('--fresh', 'throw away what the demo has kept, and begin anew')
    .option('--days <count>', 'how many days of history are played (default: 7)');
  command('migrate', "bring Postgres' schema up to date", async ({ json }) =>
    (await import('./migrate.js')).runMigrate(env, json === true),
  ).option('--json', 'for programs');
  command('status', 'streams, projections and their lag', async ({ json }) =>
    (await import('./status.js')).runStatus(env, json === true),
  ).option('--json', 'for programs');
  command('verify', 'fold the log and compare it with the tables and with Redis; changes nothing', async (options) => {
    const { from, to, json } = options;
    return (await import('./verify.js')).runVerify(env, { from: textOf(from), to: textOf(to), json: json === true });
  })
    .option('--from <day>', 'first day (UTC) of what happened, as 2026-11-24')
    .option('--to <day>', 'last day')
    .option('--json', 'for programs');
  command('token', 'sign a token with JWT_SECRET', async (options) =>
    (await import('./print-token.js')).runToken(env, options),
  )
    .option('--sub <subject>', 'whom the token is for')
    .option('--scope <scopes>', 'scopes, separated by spaces or commas')
    .option('--ttl <duration>', 'how long it is good: 3600, 15m, 12h or 30d');
  program
    .command('nkey')
    .description('make a key for a user of NATS: writes the seed, prints the public key')
    .argument('<file>', 'where the seed goes; it must not be there')
    .action(async (file: string) => {
      status = (await import('./nkey.js')).runNkey(file);
    });
  const end = (ended: number): void => {
    status = ended;
  };
  addRebuild(program, env, end);
  addAlerts(program, env, end);
  addDeadLetters(program, env, end);
  program
    .command('erase')
    .description('remove everything that names a person: log, tables, dead letters, summaries')
    .requiredOption('--user <id>', 'as `user_id` has it')
    .option('--json', 'for programs')
    .action(async ({ user, json }: { user: string; json?: true }) =>
      end(await (await import('./erase.js')).runErase(env, user, json === true)),
    );

  try {
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    return explain(error);
  }
}

/** `rebuild`: tables and summaries are folded anew while the old ones answer. */
function addRebuild(program: Command, env: Environment, end: (status: number) => void): void {
  program
    .command('rebuild')
    .description('fold the log anew beside the live tables, compare, and swap, while the service runs')
    .argument('[projection]', 'system_metrics, user_events, api_metrics, summaries or all')
    .option('--dry-run', 'compare and swap nothing')
    .option('--keep', 'keep the replaced tables for --rollback')
    .option('--rollback', 'bring the replaced tables back, with what came since')
    .option('--resume', 'go on with a rebuild that was interrupted')
    .option('--abort', 'clear away a rebuild that was interrupted')
    .option('--force', 'swap although rows would be lost')
    .option('--nice-ratio <number>', 'rests so many times as long as it works, for others (0: full speed; default: 2)')
    .option('--json', 'for programs')
    .action(async (projection: string | undefined, options: Record<string, unknown>) => {
      const { runRebuild } = await import('./rebuild.js');
      const { dryRun, keep, rollback, resume, abort, force, niceRatio, json } = options;
      end(
        await runRebuild(env, {
          projection,
          dryRun: dryRun === true,
          keep: keep === true,
          rollback: rollback === true,
          resume: resume === true,
          abort: abort === true,
          force: force === true,
          niceRatio: typeof niceRatio === 'string' ? niceRatio : undefined,
          json: json === true,
        }),
      );
    });
}

/** `alerts check`, `test` and `backtest`: rules are tried before they page anybody. */
function addAlerts(program: Command, env: Environment, end: (status: number) => void): void {
  const alerts = program.command('alerts').description('try rules of alerts before they page anybody');
  alerts
    .command('check')
    .description('what is wrong with a file of rules, and what is probably not meant')
    .argument('[file]', 'a file of rules (default: ALERTS_FILE)')
    .option('--json', 'for programs')
    .action(async (file: string | undefined, { json }: Record<string, unknown>) => {
      const { runAlertsCheck } = await import('./alerts-check.js');
      end(await runAlertsCheck(loadAlertsTrialConfig(env), file, json === true));
    });
  alerts
    .command('test')
    .description('play tests of rules: what services do, and which alerts are expected')
    .argument('<files...>', 'files of tests')
    .action(async (files: string[]) => end(await (await import('./alerts-test.js')).runAlertsTest(files)));
  alerts
    .command('backtest')
    .description('what rules would have told of the past; reads the log, writes and sends nothing')
    .option('--from <time>', 'RFC 3339, or relative as -7d', '-24h')
    .option('--to <time>', 'RFC 3339, or relative as -1h', 'now')
    .option('--rules <file>', 'a file of rules (default: ALERTS_FILE)')
    .option('--diff <file>', 'a second file of rules: what it would have told differently')
    .option('--late', 'count events that were stored too late to page anybody, too')
    .option('--json', 'for programs')
    .action(async ({ from, to, rules, diff, late, json }: Record<string, string | true | undefined>) => {
      const { runAlertsBacktest } = await import('./alerts-backtest.js');
      const given = { from: String(from), to: String(to), late: late === true, json: json === true };
      end(await runAlertsBacktest(loadAlertsTrialConfig(env), { ...given, rules: textOf(rules), diff: textOf(diff) }));
    });
}

/** `deadletters list`, `show`, `replay` and `drop`: messages that no table takes. */
function addDeadLetters(program: Command, env: Environment, end: (status: number) => void): void {
  const load = () => import('./deadletters.js');
  const letters = program.command('deadletters').description('messages of the log that no table takes, and why');
  const command = (name: string, description: string): Command =>
    letters.command(name).description(description).option('--json', 'for programs');
  const filtered = (filters: Command): Command =>
    filters
      .option('--reason <name>', 'refused for this reason, as invalid_json')
      .option('--subject <pattern>', 'came under this subject; * and > as in NATS')
      .option('--from <time>', 'stored from then on: RFC 3339, or relative as -7d')
      .option('--to <time>', 'stored before then');
  filtered(command('list', 'what lies there: the newest, without what stood in them'))
    .option('--limit <count>', 'how many are listed (default: 100)')
    .action(async (options: LetterOptions) => end(await (await load()).runList(env, options)));
  command('show', 'one of them, with headers and payload')
    .argument('<sequence>', 'as list has it')
    .action(async (sequence: string, options: LetterOptions) =>
      end(await (await load()).runShow(env, sequence, options)),
    );
  filtered(command('replay', 'send them through the decoder of today; what it takes goes into the tables, once'))
    .argument('[sequences...]', 'as list has them')
    .option('--all', 'every one')
    .option('--dry-run', 'only tell what would happen')
    .action(async (given: string[], options: LetterOptions) =>
      end(await (await load()).runReplay(env, given, options)),
    );
  filtered(command('drop', 'remove them for good'))
    .argument('[sequences...]', 'as list has them')
    .option('--all', 'every one')
    .option('--yes', 'really do it')
    .action(async (given: string[], options: LetterOptions) => end(await (await load()).runDrop(env, given, options)));
}

function textOf(option: unknown): string | undefined {
  return typeof option === 'string' ? option : undefined;
}

/** Tells the person at the terminal and chooses the exit status. */
function explain(error: unknown): number {
  // Commander has printed its own complaint, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.usage;
  if (error instanceof ConfigError) {
    const what = error instanceof UsageError ? 'This cannot be done' : 'The configuration is not usable';
    process.stderr.write(`${what}:\n${error.message.replace(/^/gm, '  ')}\n`);
    return EXIT.usage;
  }
  if (error instanceof ServerUnreachable || isRefusedConnection(error)) {
    process.stderr.write(`A server cannot be reached: ${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT.unreachable;
  }
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE' || code === 'EACCES') {
    process.stderr.write(`PORT is taken by another program, or not ours to use: ${String(error)}\n`);
    return EXIT.usage;
  }
  if (typeof code === 'string' && /^(28|3D)/.test(code)) {
    // SQLSTATE: not let in, or no such database.
    process.stderr.write(`Postgres refuses the connection: ${String(error)}\n`);
    return EXIT.unreachable;
  }
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT.wrong;
}

function isRefusedConnection(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isRefusedConnection);
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? error.code : undefined;
  return code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'ETIMEDOUT' || isRefusedConnection(error.cause);
}
