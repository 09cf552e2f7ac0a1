import type { Pool } from 'pg';
import type { LogEvent } from '../../src/events/kinds.js';
import { loadSeries } from '../../src/projections/load-series.js';
import { toRow } from '../../src/projections/rows.js';
import { type BusinessTypes, foldDelta } from '../../src/projections/summary-delta.js';
import { writeBatch } from '../../src/projections/write-batch.js';
import { beginEpoch, TABLES_PROJECTION } from '../../src/store/checkpoints.js';
import { dayOf, Partitions } from '../../src/store/partitions.js';
import { routeOf } from '../../src/store/route.js';

const EVENTS_PER_BATCH = 1_000;

/** The mapping of `config/business.yaml`. */
export const BUSINESS: BusinessTypes = {
  appointmentsCreated: ['appointment_created'],
  notificationsSent: ['notification_sent'],
  deviceRegistrations: ['device_registered'],
  patientEngagementPrefixes: ['patient_'],
};

/** Writes events into the tables and the outbox as the projector does, from where the checkpoint stands. */
export async function foldEvents(
  pool: Pool,
  events: readonly LogEvent[],
  eventsPerBatch = EVENTS_PER_BATCH,
): Promise<void> {
  const registry = await loadSeries(pool);
  const partitions = new Partitions(pool);
  await partitions.ensure(new Set(events.map((event) => dayOf(event.occurredAtMs))));
  let checkpoint = await beginEpoch(pool, TABLES_PROJECTION, 'test', '2026-01-01T00:00:00Z');
  for (let at = 0; at < events.length; at += eventsPerBatch) {
    const batch = events.slice(at, at + eventsPerBatch);
    const rows = batch.map((event) => toRow(event, routeOf));
    const last = batch.at(-1);
    if (last === undefined) throw new Error('an empty batch');
    const outcome = await writeBatch(
      pool,
      TABLES_PROJECTION,
      checkpoint,
      {
        rows,
        toSequence: last.sequence,
        lastEventId: last.id,
        lastStoredAtMs: 0,
        delta: foldDelta(rows, registry, BUSINESS),
        freshSeries: registry.takeFresh(),
      },
      'copy',
      (inserted) => foldDelta(inserted, registry, BUSINESS),
    );
    if (outcome.kind !== 'applied') throw new Error(`the batch was ${outcome.kind}`);
    checkpoint = outcome.checkpoint;
  }
}
