import { startApp } from '../app.js';
import { type Environment, loadConfig } from '../config.js';
import { createLogger } from '../telemetry/logger.js';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** `metrics serve`: runs the service until it is told to stop. */
export async function runServe(env: Environment): Promise<number> {
  const config = loadConfig(env);
  const logger = createLogger(config.logLevel);
  const stopped = nextSignal();
  const app = await startApp(config, logger);
  const ended = await Promise.race([stopped, app.failed]);
  logger.info({ reason: ended }, 'Stopping');
  await app.stop();
  return ended === 'failed' ? 1 : 0;
}

/** The first signal to stop. Later ones change nothing: stopping is under way, and bounded. */
function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of STOP_SIGNALS) process.on(signal, () => resolve(signal));
  });
}
