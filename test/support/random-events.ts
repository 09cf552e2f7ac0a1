import type { LogEvent } from '../../src/events/kinds.js';
import { SeededRandom } from './random.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const AHEAD_MS = 5 * MINUTE_MS;

const EVENT_TYPES = [
  'user_login',
  'user_login',
  'user_login',
  'user_logout',
  'user_registered',
  'feature_used',
  'feature_used',
  'appointment_created',
  'notification_sent',
  'device_registered',
  'patient_message',
  'patient_checkin',
  'patientless',
  'other',
  'constructor',
  '__proto__',
];
const SERVICES = ['web', 'billing', 'auth', 'other', 'constructor', '__proto__', 'mail_1'];
const METHODS = ['GET', 'GET', 'GET', 'post', 'PUT', 'DELETE', 'BREW', 'propfind'];
const ENDPOINTS = [
  '/',
  '/users/17',
  '/users/18?token=secret',
  '/orders/3f2b8c1e-9d64-4a52-8a17-0c5d2e9f7b31/items',
  '/caf\u00e9',
  '/a\tb',
  '/quote"\\',
  '/other',
];
const STATUSES = [200, 200, 200, 200, 201, 204, 301, 400, 404, 499, 500, 502, 503, 599];
const METRICS = ['cpu_usage', 'memory_usage', 'db_pool_active', 'db_pool_idle', 'db_pool_max', 'response_time'];
const FEATURES: readonly unknown[] = [
  'reports',
  'reports',
  'export',
  'other',
  'se\u00e1rch \u{1f50d}',
  '__proto__',
  'tab\there',
  'new\nline',
  '',
  17,
  null,
  'x'.repeat(101),
  '\u{1f600}'.repeat(60),
];

/**
 * Events of all kinds over `days` days up to five minutes ahead of `nowMs`, in no order of time: many within the last
 * day and hour, some at the very edges of days, hours and minutes, and names beyond the limits of series.
 */
export function randomEvents(count: number, seed: number, nowMs: number, days: number): LogEvent[] {
  const source = new SeededRandom(seed);
  const random = (): number => source.next();
  const pick = <T>(choices: readonly T[]): T => {
    const choice = choices[Math.floor(random() * choices.length)];
    if (choice === undefined) throw new Error('nothing to choose from');
    return choice;
  };
  const whole = (max: number): number => Math.floor(random() * max);
  const chance = (share: number): boolean => random() < share;
  const time = (): number => {
    const spans = [HOUR_MS, DAY_MS, DAY_MS, 7 * DAY_MS, days * DAY_MS, days * DAY_MS];
    const timeMs = nowMs + AHEAD_MS - whole(pick(spans));
    if (chance(0.85)) return timeMs;
    const grain = pick([MINUTE_MS, HOUR_MS, DAY_MS]);
    return Math.floor(timeMs / grain) * grain - pick([0, 1]);
  };
  const userId = (): { user_id?: number } =>
    chance(0.15) ? {} : { user_id: chance(0.02) ? pick([0, -1, 2_147_483_647, -2_147_483_648]) : whole(400) };

  const user = (): Pick<LogEvent & { kind: 'user' }, 'kind' | 'body'> => {
    const event_type = chance(0.12) ? `rare_${whole(3_000)}` : pick(EVENT_TYPES);
    const session = chance(0.4) ? { session_id: pick([`s${whole(300)}`, whole(50), '', null, true]) } : {};
    const feature = chance(0.3) ? `feature ${whole(260)}` : pick(FEATURES);
    const metadata = { ...session, ...(event_type === 'feature_used' || chance(0.1) ? { feature } : {}) };
    return { kind: 'user', body: { event_type, ...userId(), ...(chance(0.05) ? {} : { metadata }) } };
  };
  const system = (): Pick<LogEvent & { kind: 'system' }, 'kind' | 'body'> => {
    const service_name = chance(0.1) ? `service-${whole(3_000)}` : pick(SERVICES);
    const value = pick([whole(100), random() * 100, -random(), 8_589_934_592 + whole(1000), 1e-7, 9e15]);
    return { kind: 'system', body: { service_name, metric_name: pick(METRICS), value } };
  };
  const api = (): Pick<LogEvent & { kind: 'api' }, 'kind' | 'body'> => {
    const service_name = chance(0.1) ? `service-${whole(3_000)}` : pick(SERVICES);
    const took = pick([random() * 20, random() * 300, whole(4_000), 0, 5, 10_000, 2_147_483_647, 0.0004, 24.9996]);
    return {
      kind: 'api',
      body: {
        service_name,
        endpoint: chance(0.4)
          ? `/page-${'abcdefgh'[whole(8)]}${String.fromCharCode(97 + whole(26))}/p${whole(9)}`
          : pick(ENDPOINTS),
        method: pick(METHODS),
        status_code: pick(STATUSES),
        ...userId(),
        ...(chance(0.15) ? {} : { response_time_ms: took }),
        ...(chance(0.3) ? {} : { request_bytes: whole(5_000) }),
        ...(chance(0.3) ? {} : { response_bytes: chance(0.01) ? 2 ** 40 : whole(100_000) }),
      },
    };
  };
  return Array.from({ length: count }, (_, index) => {
    const roll = random();
    const what = roll < 0.5 ? user() : roll < 0.7 ? system() : api();
    const place = { id: `r${index + 1}`, occurredAtMs: time(), timeFromLog: false, sequence: index + 1 };
    return { ...what, ...place } satisfies LogEvent;
  });
}
