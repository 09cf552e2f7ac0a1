import type { CodecOptions, LogMessage } from '../../src/events/codec.js';
import { type ForeignSource, matchSources } from '../../src/events/sources.js';

/** 2026-11-24T12:00:00Z, the "now" of the unit tests. */
export const NOON_MS = Date.UTC(2026, 10, 24, 12);

/** A message of the log with what a test cares about; text is sent as UTF-8, anything else as JSON. */
export function message(
  subject: string,
  body: unknown,
  options: { headers?: Readonly<Record<string, string>>; sequence?: number; storedAtMs?: number } = {},
): LogMessage {
  const lowered = new Map(Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    subject,
    data: body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    header: (name) => lowered.get(name.toLowerCase()),
    sequence: options.sequence ?? 7,
    storedAtMs: options.storedAtMs ?? NOON_MS,
  };
}

/** A codec that keeps 90 days and knows these foreign sources. */
export function codec(...sources: readonly Partial<ForeignSource>[]): CodecOptions {
  const whole = sources.map((source) => ({
    subject: source.subject ?? 'nothing.here',
    eventType: source.eventType,
    idPointer: source.idPointer,
    userIdPointer: source.userIdPointer,
    occurredAtPointer: source.occurredAtPointer,
  }));
  return { retentionDays: 90, matchSource: matchSources(whole) };
}
