import type { LogEvent } from '../events/kinds.js';
import type { EventTable } from '../store/partitions.js';
import type { Fact } from './facts.js';
import { featureOf, microseconds } from './facts.js';

/** One row of one of the three tables, ready for COPY, together with what the summaries need to know of it. */
export interface Row {
  readonly table: EventTable;
  readonly eventId: string;
  readonly sequence: number;
  readonly timeMs: number;
  /** The id is the publisher's and the time is the log's: a resend may carry a later day. */
  readonly timeFromLog: boolean;
  /** One line in COPY's text format, with its line feed. */
  readonly line: string;
  readonly fact: Fact;
}

/** Columns in the order of `Row.line`. */
export const COPY_COLUMNS: Readonly<Record<EventTable, string>> = {
  user_events: 'event_id, stream_seq, created_at, user_id, event_type, metadata',
  system_metrics: 'event_id, stream_seq, timestamp, service_name, metric_name, value, tags',
  api_metrics:
    'event_id, stream_seq, timestamp, service_name, endpoint, route, method, status_code, response_time_ms, user_id, request_bytes, response_bytes',
};

const NULL = '\\N';
const ESCAPED = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** Folds one event to its row. Pure: the same event gives the same row at every replay. */
export function toRow(event: LogEvent, routeOf: (endpoint: string) => string): Row {
  const { id: eventId, sequence, occurredAtMs: timeMs, timeFromLog } = event;
  const common = { eventId, sequence, timeMs, timeFromLog };
  const head = [text(eventId), sequence, new Date(timeMs).toISOString()];
  switch (event.kind) {
    case 'user': {
      const { user_id: userId, event_type: eventType, metadata } = event.body;
      const line = lineOf([...head, userId ?? NULL, eventType, json(metadata)]);
      const feature = featureOf(eventType, metadata);
      const fact: Fact = { kind: 'user', timeMs, eventType, userId: userId ?? null, feature };
      return { ...common, table: 'user_events', line, fact };
    }
    case 'system': {
      const { service_name: serviceName, metric_name: metricName, value, tags } = event.body;
      const line = lineOf([...head, serviceName, metricName, value, json(tags)]);
      return {
        ...common,
        table: 'system_metrics',
        line,
        fact: { kind: 'system', timeMs, sequence, serviceName, metricName, value },
      };
    }
    case 'api': {
      const {
        service_name: serviceName,
        endpoint,
        status_code: statusCode,
        response_time_ms: responseTimeMs,
      } = event.body;
      const { user_id: userId, request_bytes: requestBytes, response_bytes: responseBytes } = event.body;
      const method = event.body.method.toUpperCase();
      const route = routeOf(endpoint);
      const responseTimeUs = responseTimeMs === undefined ? null : microseconds(responseTimeMs);
      const milliseconds = responseTimeUs === null ? NULL : (responseTimeUs / 1000).toFixed(3);
      const own = [serviceName, text(endpoint), text(route), method, statusCode, milliseconds];
      const line = lineOf([...head, ...own, userId ?? NULL, requestBytes ?? NULL, responseBytes ?? NULL]);
      const sizes = { requestBytes: requestBytes ?? null, responseBytes: responseBytes ?? null };
      const fact: Fact = { kind: 'api', timeMs, serviceName, method, route, statusCode, responseTimeUs, ...sizes };
      return { ...common, table: 'api_metrics', line, fact };
    }
  }
}

/**
 * Joined, and not built up by `+`: that makes a tree of pieces, which is five times as large until somebody reads it, and
 * thousands of lines wait for their transaction.
 */
function lineOf(columns: readonly (string | number)[]): string {
  return `${columns.join('\t')}\n`;
}

function text(value: string): string {
  return value.replace(ESCAPED, (character) => ESCAPES[character] ?? character);
}

function json(value: Readonly<Record<string, unknown>> | undefined): string {
  return value === undefined ? NULL : text(JSON.stringify(value));
}
