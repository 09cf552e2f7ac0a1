import { type RunningApp, startApp } from '../app.js';
import { type Environment, loadConfig } from '../config.js';
import { createLogger } from '../telemetry/logger.js';
import { aborted, stopOnSignal } from './stop-signal.js';

/** `metrics serve`: runs the service until it is told to stop. */
export async function runServe(env: Environment): Promise<number> {
  const config = loadConfig(env);
  const logger = createLogger(config.logLevel);
  const stop = stopOnSignal(['SIGINT', 'SIGTERM']);
  let onHangUp = (): void => undefined;
  // From the beginning: without a listener the signal ends the process.
  process.on('SIGHUP', () => onHangUp());
  let app: RunningApp;
  try {
    app = await startApp(config, logger, stop);
  } catch (error) {
    if (stop.aborted) return 0;
    throw error;
  }
  onHangUp = () => app.reload();
  const ended = await Promise.race([aborted(stop), app.failed]);
  logger.info({ reason: ended }, 'Stopping');
  await app.stop();
  return ended === 'failed' ? 1 : 0;
}
