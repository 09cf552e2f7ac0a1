import { Migration } from '@mikro-orm/migrations';

/**
 * Sessions, folded from user_events, and how many there are of each length.
 *
 * The checkpoint of a projection that was begun anew tells from where on its numbers are whole. The index on stream_seq
 * finds the rows behind a checkpoint; it only ever grows at its end. A BRIN index would not do: it knows nothing of the
 * latest pages until they are vacuumed, and those are what is read.
 */
export class Migration20261125000001_sessions extends Migration {
  override up(): void {
    this.addSql(`
      create table sessions (
        session_key varchar(160) not null,
        first_at timestamptz not null,
        last_at timestamptz not null,
        primary key (session_key, first_at)
      ) with (fillfactor = 80)`);
    this.addSql(`comment on column sessions.session_key is 'id:<metadata.session_id> or user:<user_id>'`);
    this.addSql('create index on sessions (first_at)');
    this.addSql(`
      create table session_counts (
        span_seconds integer not null,
        starts_at timestamptz not null,
        bucket integer not null,
        sessions bigint not null,
        length_ms bigint not null,
        primary key (span_seconds, starts_at, bucket)
      ) with (fillfactor = 80)`);
    this.addSql(
      `comment on table session_counts is 'sessions by the hour and the day that they began in, and by length'`,
    );
    this.addSql('create index on user_events (stream_seq)');
    this.addSql('alter table projection_checkpoints add column whole_from bigint not null default 0');
  }

  override down(): void {
    this.addSql('drop table sessions');
    this.addSql('drop table session_counts');
    this.addSql('drop index user_events_stream_seq_idx');
    this.addSql('alter table projection_checkpoints drop column whole_from');
    this.addSql(`delete from projection_checkpoints where name = 'sessions'`);
  }
}
