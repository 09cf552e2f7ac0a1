import { Migration } from '@mikro-orm/migrations';

const TAB = `e'\\t'`;
/** Labels of a request as src/store/counters.ts has them. */
const LABELLED = `
  select coalesce(known.key, 'other') as service,
    case
      when method in ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE') then method
      else 'OTHER'
    end as method,
    route, status_code, min(stream_seq) as first_sequence
  from api_metrics
  left join known_series as known on known.kind = 'service' and known.key = service_name
  group by 1, 2, 3, 4`;
const ROUTE = `service || ${TAB} || method || ${TAB} || route`;
const REST = `service || ${TAB} || method`;

/**
 * What dropped days contributed to the counters since the beginning. And which series of requests there are is bounded by
 * service, method and endpoint together, and by status: those that are there get theirs in the order of the log.
 */
export class Migration20261125000002_counter_bases extends Migration {
  override up(): void {
    this.addSql(`
      create table counter_bases (
        kind text not null,
        key text not null,
        value numeric not null,
        primary key (kind, key)
      )`);
    this.addSql(`create temporary table labelled on commit drop as ${LABELLED}`);
    this.addSql(`
      insert into known_series (kind, key, first_sequence)
      select 'http_route', ${ROUTE}, first_sequence
      from (
        select distinct on (service, route) service, method, route, first_sequence
        from labelled order by service, route, first_sequence
      ) as first
      order by first_sequence limit 700`);
    this.addSql(`
      insert into known_series (kind, key, first_sequence)
      select 'http_method', ${ROUTE}, min(first_sequence)
      from labelled
      where not exists (select from known_series where kind = 'http_route' and key = ${ROUTE}) and exists (
        select from labelled as first
        inner join known_series
          on kind = 'http_route' and key = first.service || ${TAB} || first.method || ${TAB} || first.route
        where first.service = labelled.service and first.route = labelled.route
      )
      group by 2 order by 3 limit 200`);
    this.addSql(`
      insert into known_series (kind, key, first_sequence)
      select 'http_rest', ${REST}, min(first_sequence)
      from labelled
      where not exists (select from known_series where kind in ('http_route', 'http_method') and key = ${ROUTE})
      group by 2 order by 3 limit 90`);
    this.addSql(`
      insert into known_series (kind, key, first_sequence)
      select 'http_status',
        coalesce(own.key, coalesce(rest.key, 'other' || ${TAB} || method) || ${TAB} || 'other') || ${TAB} || status_code,
        min(labelled.first_sequence)
      from labelled
      left join known_series as own on own.kind in ('http_route', 'http_method') and own.key = ${ROUTE}
      left join known_series as rest on rest.kind = 'http_rest' and rest.key = ${REST}
      group by 2 order by 3 limit 5000`);
    this.addSql(`delete from known_series where kind = 'endpoint'`);
  }

  override down(): void {
    this.addSql('drop table counter_bases');
    this.addSql(`delete from known_series where kind in ('http_route', 'http_method', 'http_rest', 'http_status')`);
  }
}
