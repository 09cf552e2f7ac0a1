import type { Page } from 'playwright-core';
import { waitFor } from './servers.js';
import type { TestClient, TestService } from './service.js';

const EVENTS_PER_BATCH = 9_000;
const VIEW_TIMEOUT_MS = 120_000;
const FOLD_TIMEOUT_MS = 300_000;

/** Posts events, as many at a time as one request takes. */
export async function sendAll(client: TestClient, events: readonly object[]): Promise<void> {
  for (let at = 0; at < events.length; at += EVENTS_PER_BATCH) {
    const answer = await client.post('/metrics/events/batch', {
      events: events.slice(at, at + EVENTS_PER_BATCH),
    });
    if (answer.status !== 202) throw new Error(answer.text);
  }
}

/** Waits until every projection contains all. */
export async function untilFolded(service: TestService): Promise<void> {
  const isDone = async (): Promise<true | undefined> => {
    const { projections } = (await service.client.get('/health/detailed')).json() as {
      projections: { lag_events: number | null }[];
    };
    return projections.every(({ lag_events: lag }) => lag === 0) ? true : undefined;
  };
  await waitFor('the fold of a week', isDone, FOLD_TIMEOUT_MS);
}

/** Waits until the page shows all its numbers, or that there are none. */
export async function untilViewed(page: Page): Promise<void> {
  await page.waitForSelector('#pipeline, [data-state=empty]', { timeout: VIEW_TIMEOUT_MS });
}
