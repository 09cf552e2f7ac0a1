import { defineEntity, p } from '@mikro-orm/core';

/**
 * The tables as entities. Rows are written with COPY (src/projections) and read with SQL (src/queries); the entities
 * are the schema's description in types, which a test holds against the migrated tables.
 */

export const UserEventRow = defineEntity({
  name: 'UserEventRow',
  tableName: 'user_events',
  properties: {
    id: p.bigint().primary().autoincrement(),
    user_id: p.integer().nullable(),
    event_type: p.string().length(100),
    metadata: p.json<Record<string, unknown>>().nullable(),
    created_at: p.datetime(),
    event_id: p.string().length(128),
    stream_seq: p.bigint(),
  },
});

export const SystemMetricRow = defineEntity({
  name: 'SystemMetricRow',
  tableName: 'system_metrics',
  properties: {
    id: p.bigint().primary().autoincrement(),
    service_name: p.string().length(100),
    metric_name: p.string().length(100),
    value: p.decimal(),
    timestamp: p.datetime(),
    tags: p.json<Record<string, unknown>>().nullable(),
    event_id: p.string().length(128),
    stream_seq: p.bigint(),
  },
});

export const ApiMetricRow = defineEntity({
  name: 'ApiMetricRow',
  tableName: 'api_metrics',
  properties: {
    id: p.bigint().primary().autoincrement(),
    endpoint: p.string().length(2048),
    method: p.string().length(10),
    status_code: p.integer(),
    response_time_ms: p.decimal().precision(13).scale(3).nullable(),
    user_id: p.integer().nullable(),
    timestamp: p.datetime(),
    service_name: p.string().length(100),
    request_bytes: p.bigint().nullable(),
    response_bytes: p.bigint().nullable(),
    event_id: p.string().length(128),
    stream_seq: p.bigint(),
    route: p.string().length(255),
  },
});

export const ProjectionCheckpoint = defineEntity({
  name: 'ProjectionCheckpoint',
  tableName: 'projection_checkpoints',
  properties: {
    name: p.text().primary(),
    sequence: p.bigint(),
    epoch: p.bigint(),
    holder: p.text(),
    stream_created_at: p.text(),
    last_event_id: p.text(),
    last_stored_at_ms: p.bigint(),
    halt_reason: p.text().nullable(),
    updated_at: p.datetime(),
    whole_from: p.bigint(),
    generation: p.bigint(),
  },
});

export const CounterBase = defineEntity({
  name: 'CounterBase',
  tableName: 'counter_bases',
  properties: {
    kind: p.text().primary(),
    key: p.text().primary(),
    value: p.decimal(),
  },
});

export const ENTITIES = [UserEventRow, SystemMetricRow, ApiMetricRow, ProjectionCheckpoint, CounterBase];
