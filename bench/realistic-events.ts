import type { EventBody, LogEvent } from '../src/events/kinds.js';
import { SeededRandom } from '../test/support/random.js';

const USERS = 50_000;
const SERVICES = 20;
const ENDPOINTS_PER_SERVICE = 15;
const FEATURES = 30;
const TYPES = [
  'user_logout',
  'user_registered',
  'appointment_created',
  'notification_sent',
  'patient_checkin',
] as const;
const METRICS = ['cpu_usage', 'memory_usage', 'db_pool_active', 'db_pool_idle', 'db_pool_max'] as const;

/** A platform of twenty services with fifty thousand users: 60 % requests, 30 % user events, 10 % measurements. */
export class RealisticEvents {
  readonly #random: SeededRandom;

  /** @param sessionsPerUser in the stretch of time that the events are of */
  constructor(
    seed: number,
    private readonly sessionsPerUser = 40,
  ) {
    this.#random = new SeededRandom(seed);
  }

  /** Events with these sequences, spread over the milliseconds before `nowMs`. */
  stored(firstSequence: number, count: number, nowMs: number, spanMs: number): LogEvent[] {
    return Array.from({ length: count }, (_, index) => ({
      ...this.body(),
      id: `stored-${firstSequence + index}`,
      sequence: firstSequence + index,
      occurredAtMs: nowMs - Math.floor(this.#random.next() * spanMs),
      timeFromLog: false,
    }));
  }

  /** Events with these sequences, in the order of their times, as they come in production. */
  inOrder(firstSequence: number, count: number, timeMsOf: (sequence: number) => number): LogEvent[] {
    return Array.from({ length: count }, (_, index) => ({
      ...this.body(),
      id: `stored-${firstSequence + index}`,
      sequence: firstSequence + index,
      occurredAtMs: Math.floor(timeMsOf(firstSequence + index)),
      timeFromLog: false,
    }));
  }

  body(): EventBody {
    const kind = this.#random.next();
    if (kind < 0.6) return this.#request();
    return kind < 0.9 ? this.#userEvent() : this.#measurement();
  }

  #service(): string {
    return `service-${this.#random.integer(1, SERVICES)}`;
  }

  #request(): EventBody {
    const random = this.#random;
    const roll = random.next();
    const status = roll < 0.9 ? 200 : roll < 0.95 ? 201 : roll < 0.985 ? 404 : 500;
    return {
      kind: 'api',
      body: {
        service_name: this.#service(),
        endpoint: `/resource-${'abcdefghijklmno'[random.integer(0, ENDPOINTS_PER_SERVICE - 1)]}/${random.integer(1, 1e6)}`,
        method: random.pick(['GET', 'GET', 'GET', 'POST']),
        status_code: status,
        user_id: random.integer(1, USERS),
        response_time_ms: this.#logNormal(40, 0.9),
        request_bytes: Math.round(this.#logNormal(400, 1)),
        response_bytes: Math.round(this.#logNormal(4_000, 1.2)),
      },
    };
  }

  #userEvent(): EventBody {
    const random = this.#random;
    const user_id = random.integer(1, USERS);
    const roll = random.next();
    const session_id = `${user_id}-${random.integer(1, this.sessionsPerUser)}`;
    if (roll < 0.3) return { kind: 'user', body: { event_type: 'user_login', user_id, metadata: { session_id } } };
    if (roll > 0.7)
      return { kind: 'user', body: { event_type: random.pick(TYPES), user_id, metadata: { session_id } } };
    const feature = `feature-${random.integer(1, FEATURES)}`;
    return { kind: 'user', body: { event_type: 'feature_used', user_id, metadata: { session_id, feature } } };
  }

  #measurement(): EventBody {
    const metric_name = this.#random.pick(METRICS);
    return { kind: 'system', body: { service_name: this.#service(), metric_name, value: this.#random.next() * 100 } };
  }

  /** Box and Muller's way. */
  #logNormal(median: number, sigma: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.#random.next())) * Math.cos(2 * Math.PI * this.#random.next());
    return Math.round(median * Math.exp(sigma * normal) * 1000) / 1000;
  }
}
