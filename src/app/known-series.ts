import type { Config } from '../config.js';
import { REFUSAL_REASONS } from '../events/refusals.js';
import { SHED_REASONS } from '../http/overload.js';
import { SESSIONS_PROJECTION, TABLES_PROJECTION } from '../store/checkpoints.js';
import { DATABASE_FAILURES } from '../store/postgres.js';
import { UNAVAILABLE_REASONS } from '../stream/append.js';
import type { ServiceMetrics } from '../telemetry/service-metrics.js';

/**
 * Exports at 0 what has not happened yet. Prometheus sees an increase between two samples: of a series that begins with the
 * first happening it would see none, and no alert would tell of it.
 */
export function beginAtZero(metrics: ServiceMetrics, roles: Config['roles']): void {
  for (const duplicate of ['false', 'true']) metrics.eventsAppended.inc({ duplicate }, 0);
  for (const reason of UNAVAILABLE_REASONS) metrics.appendsRefused.inc({ reason }, 0);
  for (const reason of SHED_REASONS) metrics.requestsShed.inc({ reason }, 0);
  if (!roles.has('projector')) return;
  for (const reason of REFUSAL_REASONS) metrics.eventsRefused.inc({ reason }, 0);
  for (const reason of [...DATABASE_FAILURES, 'reign_ended'])
    metrics.projectionFailures.inc({ projection: TABLES_PROJECTION, reason }, 0);
  metrics.projectionFailures.inc({ projection: SESSIONS_PROJECTION, reason: 'reign_ended' }, 0);
}
