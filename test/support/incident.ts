import type { TestLog } from './log.js';

/** Appends requests of one service; each of the rate that answers with 500. */
export async function appendRequests(
  log: TestLog,
  service: string,
  options: { readonly count: number; readonly errorRate: number; readonly occurredAtMs?: number },
): Promise<void> {
  const { count, errorRate, occurredAtMs } = options;
  const requests = Array.from({ length: count }, (_, index) => ({
    id: crypto.randomUUID(),
    subject: `metrics.events.api.${service}`,
    payload: Buffer.from(
      JSON.stringify({
        endpoint: '/pay',
        method: 'POST',
        status_code: index < count * errorRate ? 500 : 200,
        response_time_ms: 5,
        occurred_at: new Date(occurredAtMs ?? Date.now()).toISOString(),
      }),
    ),
  }));
  const result = await log.appender.appendAll(requests);
  if (result.kind !== 'stored') throw new Error(`not appended: ${result.reason}`);
}
