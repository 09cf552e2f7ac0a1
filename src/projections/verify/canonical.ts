/**
 * One value for what the log says of a row and for what a table holds of it, so that the two can be compared and summed:
 * the columns in one order, numbers as JavaScript writes them, objects with their keys sorted.
 */
import type { LogEvent } from '../../events/kinds.js';
import type { EventTable } from '../../store/partitions.js';
import { type Fact, featureOf, microseconds } from '../facts.js';
import type { Row } from '../rows.js';

/** What the comparison needs to know of a row, whichever side it is of. */
export interface ComparedRow {
  readonly table: EventTable;
  readonly sequence: number;
  readonly eventId: string;
  readonly timeMs: number;
  /** Everything that the fold of the log determines. */
  readonly canonical: string;
  readonly fact: Fact;
}

/** A row's columns as text; null where the column is. */
export type Cells = readonly (string | null)[];

/** Columns in the order in which `fromCells` takes them. The first three are common to all. */
export const COMPARED_COLUMNS: Readonly<Record<EventTable, string>> = {
  user_events: 'stream_seq, event_id, created_at, user_id, event_type, metadata',
  system_metrics: 'stream_seq, event_id, timestamp, service_name, metric_name, value, tags',
  api_metrics:
    'stream_seq, event_id, timestamp, service_name, endpoint, route, method, status_code, response_time_ms, user_id, request_bytes, response_bytes',
};

/** No text in Postgres contains it. */
const SEPARATOR = '\0';
const SECONDS_LENGTH = '2026-11-24 12:00:00'.length;
const UTC = '+00';

type Part = string | number | null | undefined;

function join(parts: readonly Part[]): string {
  let text = '';
  for (const part of parts) text += `${part ?? ''}${SEPARATOR}`;
  return text;
}

/** What the fold of the log says of a row. */
export function fromEvent(event: LogEvent, row: Row): ComparedRow {
  const { table, sequence, eventId, timeMs, fact } = row;
  return { table, sequence, eventId, timeMs, fact, canonical: join([eventId, timeMs, ...partsOf(event, fact)]) };
}

function partsOf(event: LogEvent, fact: Fact): Part[] {
  if (event.kind === 'user') {
    const { user_id: userId, event_type: eventType, metadata } = event.body;
    return [userId, eventType, canonicalJson(metadata)];
  }
  if (event.kind === 'system') {
    const { service_name: service, metric_name: metric, value, tags } = event.body;
    return [service, metric, value, canonicalJson(tags)];
  }
  if (fact.kind !== 'api') throw new Error('A row of another kind than its event');
  const { serviceName, method, route, statusCode, responseTimeUs, requestBytes, responseBytes } = fact;
  const tail = [event.body.user_id, requestBytes, responseBytes];
  return [serviceName, event.body.endpoint, route, method, statusCode, responseTimeUs, ...tail];
}

/** What a table holds of a row, of the cells of `COMPARED_COLUMNS`. */
export function fromCells(table: EventTable, cells: Cells): ComparedRow {
  const sequence = Number(cells[0]);
  const eventId = cells[1] ?? '';
  const time = readTime(cells[2] ?? '');
  const { parts, fact } = READERS[table](cells, time.ms, sequence);
  return { table, sequence, eventId, timeMs: time.ms, fact, canonical: join([eventId, time.canonical, ...parts]) };
}

interface ReadCells {
  readonly parts: readonly Part[];
  readonly fact: Fact;
}

const READERS: Readonly<Record<EventTable, (cells: Cells, timeMs: number, sequence: number) => ReadCells>> = {
  user_events: ([, , , user = null, eventType, metadata = null], timeMs) => {
    const object: unknown = metadata === null ? undefined : JSON.parse(metadata);
    const type = eventType ?? '';
    const userId = user === null ? null : Number(user);
    const feature = featureOf(type, isRecord(object) ? object : undefined);
    return {
      parts: [user, type, canonicalJson(object)],
      fact: { kind: 'user', timeMs, eventType: type, userId, feature },
    };
  },
  system_metrics: ([, , , service, metric, text, tags = null], timeMs, sequence) => {
    const serviceName = service ?? '';
    const metricName = metric ?? '';
    const value = Number(text);
    const object: unknown = tags === null ? undefined : JSON.parse(tags);
    return {
      parts: [serviceName, metricName, value, canonicalJson(object)],
      fact: { kind: 'system', timeMs, sequence, serviceName, metricName, value },
    };
  },
  api_metrics: (cells, timeMs) => {
    const [, , , service, endpoint, path, verb, status, took = null, user, request = null, response = null] = cells;
    const [serviceName, route, method, statusCode] = [service ?? '', path ?? '', verb ?? '', Number(status)];
    const responseTimeUs = took === null ? null : microseconds(Number(took));
    const requestBytes = request === null ? null : Number(request);
    const responseBytes = response === null ? null : Number(response);
    const sizes = { requestBytes, responseBytes };
    return {
      parts: [serviceName, endpoint, route, method, statusCode, responseTimeUs, user, requestBytes, responseBytes],
      fact: { kind: 'api', timeMs, serviceName, method, route, statusCode, responseTimeUs, ...sizes },
    };
  },
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A time as Postgres writes it in UTC. The log knows milliseconds: what is finer, or no time of the calendar that both
 * know, was written by hand, and stays as it is to be told apart.
 */
function readTime(text: string): { readonly ms: number; readonly canonical: Part } {
  const secondMs = Date.parse(`${text.slice(0, 10)}T${text.slice(11, SECONDS_LENGTH)}Z`);
  const fraction = text.slice(SECONDS_LENGTH, -UTC.length);
  if (Number.isNaN(secondMs) || !text.endsWith(UTC)) return { ms: 0, canonical: text };
  const ms = secondMs + Math.floor(Number(`0${fraction}`) * 1000 + 1e-6);
  return { ms, canonical: fraction.length <= '.123'.length ? ms : text };
}

/** JSON with sorted keys; undefined where there is nothing. */
export function canonicalJson(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isRecord(value)) return JSON.stringify(value);
  const keys = Object.keys(value);
  if (keys.length > 1) keys.sort();
  let text = '{';
  for (const key of keys) {
    text += `${text === '{' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(Reflect.get(value, key))}`;
  }
  return `${text}}`;
}
