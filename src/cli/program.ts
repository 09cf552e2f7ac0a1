import { Command, CommanderError } from 'commander';
import type { Environment } from '../config.js';
import { ConfigError } from '../config-error.js';
import { readVersion } from '../version.js';
import { ServerUnreachable } from '../wait-for-server.js';

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
  command('migrate', "bring Postgres' schema up to date", async ({ json }) =>
    (await import('./migrate.js')).runMigrate(env, json === true),
  ).option('--json', 'for programs');
  command('status', 'streams, projections and their lag', async ({ json }) =>
    (await import('./status.js')).runStatus(env, json === true),
  ).option('--json', 'for programs');
  command('token', 'sign a token with JWT_SECRET', async (options) =>
    (await import('./print-token.js')).runToken(env, options),
  )
    .option('--sub <subject>', 'whom the token is for')
    .option('--scope <scopes>', 'scopes, separated by spaces or commas')
    .option('--ttl <duration>', 'how long it is good: 3600, 15m, 12h or 30d');

  try {
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    return explain(error);
  }
}

/** Tells the person at the terminal and chooses the exit status. */
function explain(error: unknown): number {
  // Commander has printed its own complaint, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.usage;
  if (error instanceof ConfigError) {
    process.stderr.write(`The configuration is not usable:\n${error.message.replace(/^/gm, '  ')}\n`);
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
