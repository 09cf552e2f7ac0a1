import { SeededRandom } from './random.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** An event as POST /metrics/events/batch takes it. */
export type Sent = Readonly<Record<string, unknown>>;

interface Service {
  readonly name: string;
  /** Share of all requests. */
  readonly share: number;
  /** Median response time. */
  readonly medianMs: number;
  readonly endpoints: readonly [string, ...string[]];
}

const SERVICES: readonly [Service, ...Service[]] = [
  { name: 'gateway', share: 0.34, medianMs: 21, endpoints: ['GET /', 'GET /search', 'GET /session', 'POST /session'] },
  {
    name: 'appointments',
    share: 0.22,
    medianMs: 46,
    endpoints: ['GET /appointments', 'POST /appointments', 'GET /slots'],
  },
  { name: 'auth', share: 0.18, medianMs: 12, endpoints: ['POST /token', 'GET /users/17', 'POST /refresh'] },
  { name: 'devices', share: 0.12, medianMs: 9, endpoints: ['POST /devices/4/readings', 'GET /devices'] },
  { name: 'notifications', share: 0.08, medianMs: 74, endpoints: ['POST /notifications', 'GET /notifications/9'] },
  { name: 'billing', share: 0.06, medianMs: 118, endpoints: ['POST /pay', 'GET /invoices/31', 'POST /refunds'] },
];

const FEATURES = [
  'calendar',
  'search',
  'video_call',
  'prescriptions',
  'reports',
  'messages',
  'export',
  'reminders',
] as const;
const USERS = 900;

/** When payments failed for forty minutes, counted back from now. */
const INCIDENT = { fromMs: 29 * HOUR_MS, toMs: 29 * HOUR_MS - 40 * MINUTE_MS };

export interface WeekOptions {
  readonly nowMs: number;
  readonly days: number;
  /** Requests of all services, on average. */
  readonly requestsPerMinute: number;
  readonly seed: number;
  /** Every hour is as busy as any other: for a test that needs as many events at night and on a Sunday. */
  readonly isSteady?: boolean;
}

/** What six services of a clinic report: busy at day, quiet at night and at weekends, with one incident; in order of time. */
export function weekOfEvents({ nowMs, days, requestsPerMinute, seed, isSteady = false }: WeekOptions): Sent[] {
  const random = new SeededRandom(seed);
  const events: Sent[] = [];
  for (let atMs = nowMs - days * DAY_MS; atMs < nowMs; atMs += MINUTE_MS) {
    const busy = isSteady ? 1 : busyness(atMs);
    const inMinute = (): string => new Date(atMs + random.next() * Math.min(MINUTE_MS, nowMs - atMs)).toISOString();
    for (let left = poisson(random, requestsPerMinute * busy); left > 0; left -= 1) {
      events.push({ ...request(random, nowMs - atMs), occurred_at: inMinute() });
    }
    for (let left = poisson(random, (requestsPerMinute * busy) / 6); left > 0; left -= 1) {
      events.push({ ...userEvent(random), occurred_at: inMinute() });
    }
    if (Math.floor(atMs / MINUTE_MS) % 5 === 0 || nowMs - atMs <= 5 * MINUTE_MS) {
      for (const service of SERVICES) events.push(...measurements(random, service, busy, inMinute()));
    }
  }
  return events;
}

/** 0.08 at night, 1 and more at noon; weekends are half as busy. */
function busyness(timeMs: number): number {
  const hour = (timeMs % DAY_MS) / HOUR_MS;
  const day = Math.exp(-((hour - 10.5) ** 2) / 14) + 0.75 * Math.exp(-((hour - 16.5) ** 2) / 9);
  const weekday = new Date(timeMs).getUTCDay();
  return (0.08 + 1.7 * day) * (weekday === 0 || weekday === 6 ? 0.5 : 1);
}

/** Knuth's way; means here are small. */
function poisson(random: SeededRandom, mean: number): number {
  const limit = Math.exp(-mean);
  let count = -1;
  for (let product = 1; product > limit; count += 1) product *= random.next();
  return count;
}

function logNormal(random: SeededRandom, median: number, spread: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  return Math.round(median * Math.exp(spread * normal) * 10) / 10;
}

/** The service at a place of 0 to 1, by their shares. */
function serviceAt(place: number): Service {
  const ends = SERVICES.map((_, index) => SERVICES.slice(0, index + 1).reduce((sum, { share }) => sum + share, 0));
  return SERVICES[ends.findIndex((end) => place < end)] ?? SERVICES[0];
}

function request(random: SeededRandom, agoMs: number): Sent {
  const service = serviceAt(random.next());
  const [method, endpoint] = random.pick(service.endpoints).split(' ');
  const isIncident = service.name === 'billing' && agoMs <= INCIDENT.fromMs && agoMs > INCIDENT.toMs;
  const fails = random.next() < (isIncident ? 0.35 : 0.006);
  return {
    kind: 'api',
    service_name: service.name,
    endpoint,
    method,
    status_code: fails ? 500 : random.next() < 0.03 ? 404 : method === 'POST' ? 201 : 200,
    response_time_ms: logNormal(random, service.medianMs * (isIncident ? 9 : 1), 0.7),
    user_id: random.integer(1, USERS),
    request_bytes: Math.round(logNormal(random, 420, 0.6)),
    response_bytes: Math.round(logNormal(random, 3_800, 1)),
  };
}

function userEvent(random: SeededRandom): Sent {
  const user_id = random.integer(1, USERS);
  const roll = random.next();
  if (roll < 0.3) return { event_type: 'user_login', user_id };
  if (roll < 0.56) {
    // The first are used most.
    const feature = FEATURES[Math.floor(FEATURES.length * random.next() ** 2)];
    return { event_type: 'feature_used', user_id, metadata: { feature } };
  }
  if (roll < 0.68) return { event_type: 'appointment_created', user_id };
  if (roll < 0.84) return { event_type: 'notification_sent', user_id };
  if (roll < 0.88) return { event_type: 'device_registered', user_id };
  if (roll < 0.96) return { event_type: 'patient_checkin', user_id };
  return { event_type: 'user_registered', user_id };
}

function measurements(random: SeededRandom, service: Service, busy: number, occurred_at: string): Sent[] {
  const measure = (metric_name: string, value: number): Sent => ({
    kind: 'system',
    service_name: service.name,
    metric_name,
    value: Math.round(value * 100) / 100,
    occurred_at,
  });
  const active = Math.round(2 + 8 * busy * (0.7 + 0.6 * random.next()));
  return [
    measure('cpu_usage', 6 + 38 * busy * (0.8 + 0.4 * random.next()) + service.medianMs / 12),
    measure('memory_usage', (180 + service.medianMs * 2 + 30 * random.next()) * 1_048_576),
    measure('db_pool_active', Math.min(20, active)),
    measure('db_pool_max', 20),
  ];
}
