import type { NotComparedReason, SummariesReport } from '../projections/verify/compare-summaries.js';
import { type DayReport, type Differing, isEqualDay, type TableReport } from '../projections/verify/tally.js';
import type { VerifyReport } from '../projections/verify/verify.js';
import { counted } from './counted.js';

const NOT_COMPARED: Readonly<Record<NotComparedReason, string>> = {
  redis_away: 'Redis does not answer',
  redis_refuses: 'Redis takes no keys for the comparison: it is full, or a replica',
  no_summaries: 'there are none: Redis was emptied, or no service with the role projector has run',
  other_settings:
    'they were made with another BUSINESS_FILE or METRICS_RETENTION_DAYS than this command has, or by another version',
  behind: 'they stay behind the tables: no service with the role projector brings them up to date',
  replaced_meanwhile: 'they, or the tables, were built anew meanwhile; run verify again',
};

/** The report for a person: what differs by name, what is equal in one line. */
export function verifyText(report: VerifyReport): string {
  const { log, not_compared: passed } = report;
  const lines = [
    `log          ${count(log.events)} events up to sequence ${report.sequence}, ${count(log.refused)} refused, ` +
      `${count(log.duplicates)} duplicates`,
    ...report.tables.flatMap(tableLines),
    ...otherAddresses(report.changed_in_addresses_alone),
    ...passedOver(passed.rows_before_log, 'are of messages that have left the log'),
    ...passedOver(passed.rows_past_retention, 'are older than the retention'),
    ...summariesLines(report.summaries),
    report.equal ? 'Everything is as the log says' : 'Not everything is as the log says',
  ];
  return `${lines.join('\n')}\n`;
}

function tableLines({ table, days }: TableReport): string[] {
  const rows = days.reduce((sum, { found }) => sum + found.count, 0);
  const differing = days.filter((day) => !isEqualDay(day));
  const verdict = differing.length === 0 ? 'equal' : `${differing.length} of them differ`;
  const head = `${table.padEnd(15)} ${counted(rows, 'row')} in ${counted(days.length, 'day')}: ${verdict}`;
  return [head, ...differing.flatMap(dayLines)];
}

function dayLines({ day, expected, found, missing, extra, changed }: DayReport): string[] {
  return [
    `  ${day}  log ${count(expected.count)} ${expected.checksum}  table ${count(found.count)} ${found.checksum}`,
    ...differingLine('missing', missing),
    ...differingLine('extra', extra),
    ...differingLine('changed', changed),
  ];
}

function differingLine(name: string, { count: rows, ids }: Differing): string[] {
  if (rows === 0) return [];
  return [`    ${name} ${count(rows)}: ${ids.join(' ')}${rows > ids.length ? ' …' : ''}`];
}

function otherAddresses(rows: number): string[] {
  if (rows === 0) return [];
  return [
    `${count(rows)} of the changed rows differ in IP addresses alone: they were folded with another METRICS_IP_ADDRESSES or ` +
      `METRICS_IP_HASH_KEY, or by a version without. metrics rebuild folds them by those of today`,
  ];
}

function passedOver(rows: number, why: string): string[] {
  return rows === 0 ? [] : [`${count(rows)} rows ${why}: not compared`];
}

function summariesLines(summaries: SummariesReport): string[] {
  if (summaries.state === 'not_compared') return [`Redis           not compared: ${NOT_COMPARED[summaries.reason]}`];
  const { fields, keys, differing_fields: differing, differences } = summaries;
  const verdict = differing === 0 ? 'equal' : `${count(differing)} fields differ`;
  const named = differences.map(
    ({ key, field, expected, found }) =>
      `  ${key} ${JSON.stringify(field)}: log ${expected ?? 'nothing'}, Redis ${found ?? 'nothing'}`,
  );
  const more = differing > differences.length ? ['  …'] : [];
  return [`Redis           ${count(fields)} fields in ${count(keys)} keys: ${verdict}`, ...named, ...more];
}

function count(number: number): string {
  return number.toLocaleString('en');
}
