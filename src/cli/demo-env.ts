import type { Environment } from '../config.js';

/** What a demo takes from the environment of whoever starts it; all else that configures the service is left out. */
const KEPT: ReadonlySet<string> = new Set(['PORT', 'HOST', 'LOG_LEVEL']);

/**
 * Variables that lead to servers, people or secrets, or change what is counted. A demo has servers of its own, so that its
 * data never goes among others', and its incident pages nobody. It is no production, whatever else runs there.
 */
const LEFT_OUT =
  /^(NODE_ENV$|NATS_|DATABASE_URL$|REDIS_|JWT_|METRICS_(RETENTION_DAYS|AGGREGATION_INTERVAL|DEDUP_WINDOW|STREAM_|EXTERNAL_URL|IP_)|ALERT|SMTP_|SLACK_|PROMETHEUS_TOKEN$|ROLE$|CORS_ORIGINS$|HTTP_(MAX|HEADERS|REQUEST|IDLE)_|RATE_LIMIT_|DOCS_ENABLED$|SOURCES_FILE$|BUSINESS_FILE$)/;

/** The environment of a demo. */
export function demoEnvironment(env: Environment): Environment {
  const kept = Object.entries(env).filter(([name]) => KEPT.has(name) || !LEFT_OUT.test(name));
  return { ...Object.fromEntries(kept), METRICS_PRIVATE_SERVERS: '1' };
}
