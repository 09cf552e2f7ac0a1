import { Migration } from '@mikro-orm/migrations';

/**
 * What the tables say about whole minutes, hours and days, counted once (src/store/rollups.ts), so that a dashboard over weeks
 * reads thousands of rows and not millions. `rollup_marks` tells the log position that last touched a stretch of time; a
 * rollup of an earlier position is not used. The rows that are there already are marked, so that they are rolled up.
 */
export class Migration20261125000000_rollups extends Migration {
  override up(): void {
    this.addSql(`
      create table rollup_marks (
        seconds integer not null,
        starts_at timestamptz not null,
        sequence bigint not null,
        first_marked_at timestamptz not null default now(),
        marked_at timestamptz not null default now(),
        primary key (seconds, starts_at)
      ) with (fillfactor = 50)`);
    this.addSql(`
      create table rollups (
        seconds integer not null,
        starts_at timestamptz not null,
        sequence bigint not null,
        rolled_up_at timestamptz not null default now(),
        primary key (seconds, starts_at)
      )`);
    // Three levels: the platform (no service), a service (no route), an endpoint.
    this.addSql(`
      create table request_rollups (
        seconds integer not null,
        starts_at timestamptz not null,
        service_name varchar(100),
        method varchar(10),
        route varchar(255),
        requests bigint not null,
        errors bigint not null,
        timed_requests bigint not null,
        response_time_us numeric not null,
        max_response_time_us bigint not null,
        request_bytes numeric not null,
        response_bytes numeric not null,
        latency text not null,
        request_sizes text not null,
        response_sizes text not null,
        status_codes text not null,
        last_at timestamptz not null
      )`);
    this.addSql('create index on request_rollups (seconds, starts_at) where service_name is null');
    this.addSql(`
      create index on request_rollups (seconds, service_name, starts_at)
      where service_name is not null and route is null`);
    this.addSql('create index on request_rollups (seconds, route, starts_at) where route is not null');
    this.addSql('create index on request_rollups (seconds, starts_at)');
    this.addSql(`
      create table user_rollups (
        seconds integer not null,
        starts_at timestamptz not null,
        event_type varchar(100) not null,
        feature text,
        events bigint not null,
        users bytea not null
      )`);
    this.addSql(`comment on column user_rollups.users is 'distinct user ids, four bytes each'`);
    this.addSql('create index on user_rollups (seconds, starts_at)');
    this.addSql('create index on user_rollups (seconds, event_type, starts_at)');
    this.addSql(`
      create table measurement_rollups (
        seconds integer not null,
        starts_at timestamptz not null,
        service_name varchar(100) not null,
        metric_name varchar(100) not null,
        measurements bigint not null,
        total numeric not null,
        last_at timestamptz not null
      )`);
    this.addSql('create index on measurement_rollups (seconds, starts_at)');
    this.addSql('create index on measurement_rollups (seconds, metric_name, starts_at)');
    // A rollup of a day is made of those of its hours: distributions and sets that were written one behind the other.
    this.addSql(`
      create function merge_distributions(joined text) returns text language sql immutable parallel safe as $$
        select coalesce(string_agg(bucket || ':' || n, ','), '')
        from (
          select split_part(part, ':', 1) as bucket, sum(split_part(part, ':', 2)::bigint) as n
          from unnest(string_to_array(joined, ',')) as part
          group by 1
        ) as merged
      $$`);
    this.addSql(`
      create function merge_users(joined bytea) returns bytea language sql immutable parallel safe as $$
        select coalesce(string_agg(distinct substr(joined, starts, 4), ''::bytea), '')
        from generate_series(1, length(joined), 4) as starts
      $$`);
    for (const [seconds, since] of [
      [3_600, `'-infinity'`],
      [60, `now() - interval '50 hours'`],
    ] as const) {
      this.addSql(`
        insert into rollup_marks (seconds, starts_at, sequence)
        select ${seconds}, starts_at, 0
        from (
          select date_bin(interval '${seconds} seconds', created_at, 'epoch') as starts_at from user_events
          where created_at >= ${since}
          union
          select date_bin(interval '${seconds} seconds', timestamp, 'epoch') from system_metrics
          where timestamp >= ${since}
          union
          select date_bin(interval '${seconds} seconds', timestamp, 'epoch') from api_metrics
          where timestamp >= ${since}
        ) as touched`);
    }
  }

  override down(): void {
    for (const table of ['rollup_marks', 'rollups', 'request_rollups', 'user_rollups', 'measurement_rollups']) {
      this.addSql(`drop table ${table}`);
    }
    this.addSql('drop function merge_distributions(text)');
    this.addSql('drop function merge_users(bytea)');
  }
}
