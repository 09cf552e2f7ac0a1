// What the service's role `projector` does, without an HTTP face: `node run-projections.js`, with the service's environment.
import { startProjections } from '../../src/app/projections.js';
import { connectServers } from '../../src/app/servers.js';
import { aborted, stopOnSignal } from '../../src/cli/stop-signal.js';
import { loadConfig } from '../../src/config.js';
import { matchSources } from '../../src/events/sources.js';
import { Lifecycle } from '../../src/lifecycle.js';
import { Appender } from '../../src/stream/append.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { createServiceMetrics } from '../../src/telemetry/service-metrics.js';

const config = loadConfig(process.env);
const logger = createLogger(config.logLevel);
const lifecycle = new Lifecycle(logger);
const stop = stopOnSignal(['SIGTERM']);
const { sources, business, retentionDays } = config;
const servers = await connectServers(
  config,
  logger,
  lifecycle,
  stop,
  sources.map(({ subject }) => subject),
);
const appender = new Appender(servers.connection, servers.watch);
lifecycle.onStop('appender', () => appender.close());
const codec = { retentionDays, matchSource: matchSources(sources) };
const metrics = createServiceMetrics();
await startProjections(config, { ...servers, appender, business, codec, metrics, logger, lifecycle });
await aborted(stop);
await lifecycle.stop();
