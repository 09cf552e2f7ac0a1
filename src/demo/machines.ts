import { type Happening, request } from './happening.js';
import { type DemoService, ROUTES, SERVICES } from './platform.js';
import { KeyedRandom } from './random.js';
import { busyness } from './rhythm.js';
import { type Incident, type Story, slowness, versionAt } from './story.js';

const MINUTE_MS = 60_000;
const MACHINES_LANE = 2;
const SURGE_LANE = 3;
const MEASURE_LANE = 4;
const STRAY_LANE = 5;
const MEASURED_EVERY_MINUTES = 15;
const MEGABYTE = 1_048_576;
/** Devices send in turns, by day and night. */
const READINGS_PER_MINUTE = 5;
const READING_JITTER_MS = 3_000;
/** Where the rhythm is 1. */
const REMINDERS_PER_MINUTE = 0.3;
/** One of so many minutes may have an error that nobody can explain. */
const STRAY_EVERY_MINUTES = 10;
const STRAY_SHARE = 0.5;

/** Requests that no user makes: readings of devices, and reminders that are sent. */
export function machineRequests(story: Story, minute: number): Happening[] {
  const random = new KeyedRandom(story.seed, minute, MACHINES_LANE);
  const startMs = minute * MINUTE_MS;
  const readings = Array.from({ length: READINGS_PER_MINUTE }, (_, index) => {
    const atMs = startMs + (index * MINUTE_MS) / READINGS_PER_MINUTE + random.integer(0, READING_JITTER_MS);
    return { key: `r${index}`, atMs, event: request(story, random, ROUTES.reading, atMs) };
  });
  const reminders = Array.from({ length: random.poisson(REMINDERS_PER_MINUTE * busyness(startMs)) }, (_, index) => {
    const atMs = startMs + random.integer(0, MINUTE_MS - 1);
    return { key: `n${index}`, atMs, event: request(story, random, ROUTES.send, atMs) };
  });
  return [...readings, ...reminders];
}

/** What comes on top while something is wrong. */
export function surges(story: Story, minute: number): Happening[] {
  return story.incidents.flatMap((incident, index) => surge(story, incident, index, minute));
}

function surge(story: Story, incident: Incident, index: number, minute: number): Happening[] {
  const fromMs = Math.max(incident.fromMs, minute * MINUTE_MS);
  const toMs = Math.min(incident.toMs, (minute + 1) * MINUTE_MS);
  if (fromMs >= toMs) return [];
  const random = new KeyedRandom(story.seed, minute, SURGE_LANE, index);
  const count = Math.max(1, random.poisson((incident.surgePerMinute * (toMs - fromMs)) / MINUTE_MS));
  return Array.from({ length: count }, (_, n) => {
    const atMs = random.integer(fromMs, toMs - 1);
    return { key: `x${index}-${n}`, atMs, event: request(story, random, ROUTES[incident.route], atMs) };
  });
}

/**
 * Now and then a reading is not taken. At most once in ten minutes: five minutes have 24 readings or more, and with two of
 * these among them they would be above the five per cent of the rule `high_error_rate`, which is for the incidents.
 */
export function strayErrors(story: Story, minute: number): Happening[] {
  const random = new KeyedRandom(story.seed, minute, STRAY_LANE);
  if (minute % STRAY_EVERY_MINUTES !== 0 || !random.chance(STRAY_SHARE)) return [];
  const atMs = minute * MINUTE_MS + 30_000;
  if (atMs >= story.calm.fromMs && atMs < story.calm.toMs) return [];
  return [{ key: 'e', atMs, event: request(story, random, { ...ROUTES.reading, status: 502, medianMs: 400 }, atMs) }];
}

/** A deploy is told as an event of nobody's. */
export function deployNotes(story: Story, minute: number): Happening[] {
  return story.deploys
    .filter(({ atMs }) => Math.floor(atMs / MINUTE_MS) === minute)
    .map(({ service, atMs, toVersion }) => ({
      key: `d-${service}`,
      atMs,
      event: {
        kind: 'user',
        body: { event_type: 'deploy_finished', metadata: { service_name: service, version: toVersion } },
      },
    }));
}

/** What services measure of themselves, at the beginning of a minute. */
export function measurements(story: Story, minute: number): Happening[] {
  const isOften = minute * MINUTE_MS >= story.measuredOftenFromMs;
  if (!isOften && minute % MEASURED_EVERY_MINUTES !== 0) return [];
  return SERVICES.flatMap((service, index) => measure(story, service, index, minute));
}

function measure(story: Story, service: DemoService, index: number, minute: number): Happening[] {
  const random = new KeyedRandom(story.seed, minute, MEASURE_LANE, index);
  const atMs = minute * MINUTE_MS + 1_000 * (index + 1);
  const load = busyness(atMs) * Math.sqrt(slowness(story, service.name, atMs));
  const active = Math.min(service.poolMax, Math.round(1 + service.poolMax * 0.25 * load * (0.7 + 0.6 * random.next())));
  const values = {
    cpu_usage: Math.min(97, service.cpuPercent + 17 * load * (0.8 + 0.4 * random.next())),
    memory_usage: Math.round((service.memoryMb + 40 * load + 20 * random.next()) * MEGABYTE),
    db_pool_active: active,
    db_pool_idle: service.poolMax - active,
    db_pool_max: service.poolMax,
  };
  const tags = { version: versionAt(story, service.name, atMs, service.version) };
  return Object.entries(values).map(([metric_name, value]) => ({
    key: `m${index}-${metric_name}`,
    atMs,
    event: {
      kind: 'system',
      body: { service_name: service.name, metric_name, value: Math.round(value * 100) / 100, tags },
    },
  }));
}
