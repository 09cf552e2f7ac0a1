import type { EventBody } from '../events/kinds.js';
import type { Route } from './platform.js';
import type { KeyedRandom } from './random.js';
import { busyness } from './rhythm.js';
import { incidentAt, type Story, slowness } from './story.js';

/** Something that happens at a time. */
export interface Happening {
  /**
   * Which of all that happens in its minute it is. It does not depend on the story, so that a minute that is played twice,
   * with another incident, has the same ids for the same things.
   */
  readonly key: string;
  readonly atMs: number;
  readonly event: EventBody;
}

const IDS = 9_000;

/** A request as its service reports it: its status and how long it took depend on the time. */
export function request(story: Story, random: KeyedRandom, route: Route, atMs: number, userId?: number): EventBody {
  const incident = incidentAt(story, route.service, atMs);
  const usualMs = route.medianMs * slowness(story, route.service, atMs) * (0.85 + 0.2 * busyness(atMs));
  const isMistake = random.chance(route.mistake?.[1] ?? 0);
  const usual = isMistake ? (route.mistake?.[0] ?? route.status) : route.status;
  return {
    kind: 'api',
    body: {
      service_name: route.service,
      endpoint: route.path.replace(':id', String(random.integer(1, IDS))),
      method: route.method,
      status_code: incident?.status ?? usual,
      response_time_ms: random.logNormal(incident?.medianMs ?? usualMs, incident === undefined ? 0.55 : 0.2),
      ...(userId === undefined ? {} : { user_id: userId }),
      request_bytes: Math.round(random.logNormal(route.requestBytes, 0.3)),
      response_bytes: Math.round(random.logNormal(route.responseBytes, 0.5)),
    },
  };
}
