import { Migration } from '@mikro-orm/migrations';

/**
 * The three tables of the product, and the tables that the projector keeps its progress in.
 *
 * The tables are partitioned by day (UTC). `event_id` is unique within a partition by an index that each partition
 * gets when it is made (src/store/partitions.ts): a unique index on the parent would have to contain the time, and a
 * resend may carry another one. There is no index on `id`, because no query asks for it.
 */
export class Migration20261124000000_tables extends Migration {
  override up(): void {
    this.addSql(`
      create table user_events (
        id bigint generated always as identity,
        user_id integer,
        event_type varchar(100) not null,
        metadata jsonb,
        created_at timestamptz not null,
        event_id varchar(128) not null,
        stream_seq bigint not null
      ) partition by range (created_at)`);
    this.addSql(`
      create table system_metrics (
        id bigint generated always as identity,
        service_name varchar(100) not null,
        metric_name varchar(100) not null,
        value numeric not null,
        timestamp timestamptz not null,
        tags jsonb,
        event_id varchar(128) not null,
        stream_seq bigint not null
      ) partition by range (timestamp)`);
    this.addSql(`
      create table api_metrics (
        id bigint generated always as identity,
        endpoint varchar(2048) not null,
        method varchar(10) not null,
        status_code integer not null,
        response_time_ms numeric(13, 3),
        user_id integer,
        timestamp timestamptz not null,
        service_name varchar(100) not null,
        request_bytes bigint,
        response_bytes bigint,
        event_id varchar(128) not null,
        stream_seq bigint not null,
        route varchar(255) not null
      ) partition by range (timestamp)`);
    this.addSql(`comment on column api_metrics.route is 'endpoint without query string, ids replaced by :id'`);

    // "active users by day" and "average response time by service" are answered from these two alone.
    this.addSql('create index on user_events (event_type, created_at) include (user_id)');
    this.addSql('create index on system_metrics (metric_name, timestamp) include (service_name, value)');
    this.addSql('create index on api_metrics using brin (timestamp) with (pages_per_range = 32)');

    this.addSql(`
      create table projection_checkpoints (
        name text primary key,
        sequence bigint not null,
        epoch bigint not null,
        holder text not null,
        stream_created_at text not null,
        last_event_id text not null,
        last_stored_at_ms bigint not null,
        halt_reason text,
        updated_at timestamptz not null
      )`);
    this.addSql(`
      create table summary_outbox (
        from_sequence bigint not null unique,
        to_sequence bigint primary key,
        delta json not null,
        created_at timestamptz not null default now()
      )`);
    this.addSql(`
      create table known_series (
        kind text not null,
        key text not null,
        first_sequence bigint not null,
        primary key (kind, key)
      )`);
  }

  override down(): void {
    for (const table of [
      'user_events',
      'system_metrics',
      'api_metrics',
      'projection_checkpoints',
      'summary_outbox',
      'known_series',
    ]) {
      this.addSql(`drop table ${table}`);
    }
  }
}
