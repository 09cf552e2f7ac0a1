import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createPublisher, type Publisher } from '../../src/client/index.js';
import { eventsBetween } from '../../src/demo/live.js';
import { MINUTE_MS, minuteOf } from '../../src/demo/minute.js';
import { Demo, type DemoSize } from '../../src/demo/play.js';
import { LIVE_INCIDENT } from '../../src/demo/story.js';
import type { Dashboard } from '../../src/queries/dashboard.js';
import { Appender } from '../../src/stream/append.js';
import { ConnectionWatch, connectNats, type NatsConnection } from '../../src/stream/connection.js';
import { EVENTS_STREAM } from '../../src/stream/streams.js';
import { runHere } from '../support/command-line.js';
import { waitFor } from '../support/servers.js';
import { startTestService, type TestService } from '../support/service.js';

const SIZE: DemoSize = { seed: 3, days: 2, sessionsPerMinute: 0.12 };
const DAY_MINUTES = 1_440;
const FOLD_TIMEOUT_MS = 120_000;
const ALERT_TIMEOUT_MS = 120_000;
/** Shorter than what lies between two starts here, so that the tables have to know what was there, too. */
const DEDUP_WINDOW_S = 1;

interface Stage {
  readonly service: TestService;
  readonly connection: NatsConnection;
  readonly appender: Appender;
  readonly publisher: Publisher;
}

const test = suite('the demo');
let opened: Stage | undefined;
function stage(): Stage {
  if (opened === undefined) throw new Error('not started');
  return opened;
}

test.before(async () => {
  const env = { ALERT_EVALUATION_INTERVAL: '1', METRICS_DEDUP_WINDOW: String(DEDUP_WINDOW_S) };
  const service = await startTestService(env);
  const connection = await connectNats({ servers: [service.servers.nats.url] }, 'demo');
  const appender = new Appender(connection, new ConnectionWatch(connection));
  opened = { service, connection, appender, publisher: createPublisher({ service: 'demo', connection }) };
});
test.after(async () => {
  await opened?.publisher.close();
  opened?.appender.close();
  await opened?.connection.close();
  await opened?.service.stop();
});

/** A start of the demo. */
async function start(signal = new AbortController().signal): Promise<Demo> {
  const { connection, appender, publisher } = stage();
  const manager = await connection.jetstreamManager();
  return await Demo.open({ connection, manager, appender, publisher, size: SIZE, now: Date.now, signal });
}

async function untilFolded(): Promise<void> {
  const isDone = async (): Promise<true | undefined> => {
    const { projections } = (await stage().service.client.get('/health/detailed')).json() as {
      projections: { lag_events: number | null }[];
    };
    return projections.every(({ lag_events: lag }) => lag === 0) ? true : undefined;
  };
  await waitFor('the fold of the history', isDone, FOLD_TIMEOUT_MS);
}

async function messages(): Promise<number> {
  const manager = await stage().connection.jetstreamManager();
  return (await manager.streams.info(EVENTS_STREAM)).state.messages;
}

/** Requests and user events. */
interface Counts {
  readonly requests: number;
  readonly events: number;
}

/** What the service counts from a minute on until another, both over. */
async function counted(fromMinute: number, untilMinute: number): Promise<Counts> {
  const [from, to] = [fromMinute, untilMinute].map((minute) => new Date(minute * MINUTE_MS).toISOString());
  const answer = await stage().service.client.get(`/metrics/dashboard?from=${from}&to=${to}&interval=1h`);
  const { summary, top } = answer.json() as Dashboard;
  return { requests: summary.api.requests, events: top.event_types.reduce((sum, each) => sum + each.events, 0) };
}

/** What happened according to the story. */
function told({ past }: Demo, fromMinute: number, untilMinute: number): Counts {
  const events = [...eventsBetween(past, fromMinute * MINUTE_MS, untilMinute * MINUTE_MS)];
  const of = (kind: string): number => events.filter(({ event }) => event.kind === kind).length;
  return { requests: of('api'), events: of('user') };
}

let first: Demo | undefined;
let begunMinute = 0;

test('the last day is whole in the tables while the day before it is still to come', async () => {
  begunMinute = minuteOf(Date.now());
  const killed = new AbortController();
  first = await start(killed.signal);
  assert.not(first.isContinued);
  assert.is(first.missingMinutes, SIZE.days * DAY_MINUTES);
  await first.playRecent(() => undefined);
  await first.playEarlier((_events, share) => {
    if (share > 0.52) killed.abort();
  });
  await untilFolded();
  const dayMinute = begunMinute - DAY_MINUTES;
  assert.equal(await counted(dayMinute, begunMinute), told(first, dayMinute, begunMinute));
  const before = await counted(dayMinute - DAY_MINUTES, dayMinute);
  assert.ok(
    before.requests < told(first, dayMinute - DAY_MINUTES, dayMinute).requests / 2,
    `${before.requests} requests`,
  );
});

test('killed there, it fills in what is missing, and nothing counts twice', async () => {
  if (first === undefined) throw new Error('not begun');
  const half = await messages();
  const second = await start();
  assert.ok(second.isContinued);
  const missing = second.missingMinutes;
  assert.ok(missing > 700 && missing < DAY_MINUTES, `${missing} minutes are missing`);
  await second.playRecent(() => undefined);
  await second.playEarlier(() => undefined);
  await untilFolded();
  assert.ok((await messages()) > half && half > 1_000, `${half} messages before it went on`);
  const fromMinute = begunMinute - SIZE.days * DAY_MINUTES;
  assert.equal(await counted(fromMinute, begunMinute), told(first, fromMinute, begunMinute));
  const third = await start();
  assert.ok(third.missingMinutes < 100, `${third.missingMinutes} minutes are missing`);
});

test('the page has something in each of its sections, of six services', async () => {
  const answer = await stage().service.client.get('/metrics/dashboard?from=-24h&compare=previous');
  const { summary, services, series, top } = answer.json() as Dashboard;
  const { users, api, system, business } = summary;
  const headlines = {
    requests: api.requests,
    errors: api.errors,
    p95: api.p95_response_time_ms,
    logins: users.logins,
    registrations: users.registrations,
    active: users.active.weekly,
    session: users.avg_session_seconds,
    appointments: business.appointments_created,
    notifications: business.notifications_sent,
    devices: business.device_registrations,
    engagement: business.patient_engagement,
    endpoints: top.endpoints.length,
    features: top.features.length,
  };
  for (const [name, value] of Object.entries(headlines)) assert.ok(Number(value) > 0, `${name}: ${String(value)}`);
  assert.is(system.services, 6);
  assert.is(services.length, 6);
  for (const service of services) {
    assert.is(service.status, 'healthy', service.service_name);
    assert.ok(service.cpu_usage !== null && service.memory_usage !== null && service.db_pool.max !== null);
  }
  assert.is(Object.keys(series.cpu_usage).length, 6);
  assert.ok(Object.keys(series.events_by_type).length > 5);
});

test('a back-test tells that payments failed, and that it resolved; the live evaluation tells nothing of the past', async () => {
  const args = ['alerts', 'backtest', '--from', '-6h', '--late', '--json'];
  const { status, stdout, stderr } = await runHere(args, { NATS_URL: stage().service.servers.nats.url });
  assert.is(status, 0, stderr);
  const { transitions } = JSON.parse(stdout) as { transitions: { to: string; rule: string; service_name: string }[] };
  assert.equal(
    transitions.map(({ to, rule, service_name }) => `${rule} ${service_name} ${to}`),
    ['high_error_rate billing firing', 'high_error_rate billing resolved'],
  );
  assert.equal(((await stage().service.client.get('/metrics/alerts')).json() as { alerts: unknown[] }).alerts, []);
});

test('the incident that is played live fires an alert, by events that came over NATS and were posted', async () => {
  const stopped = new AbortController();
  const demo = await start(stopped.signal);
  const { client } = stage().service;
  const troubles: string[] = [];
  const way = { baseUrl: client.url, token: client.token, onTrouble: (line: string) => troubles.push(line) };
  const before = await messages();
  // As if it had been begun a while ago: the incident is a second away.
  const playing = demo.playLive(Date.now() - LIVE_INCIDENT.afterMs + 1_000, way);
  const firing = async (): Promise<true | undefined> => {
    const answer = (await client.get('/metrics/alerts?status=firing')).json() as {
      alerts: { name: string; labels: { service_name?: string } }[];
    };
    const [alert] = answer.alerts;
    return alert?.name === 'high_error_rate' && alert.labels.service_name === 'billing' ? true : undefined;
  };
  await waitFor('the alert', firing, ALERT_TIMEOUT_MS);
  stopped.abort();
  await playing;
  assert.ok(await stage().publisher.flush());
  assert.equal(troubles, []);
  assert.ok((await messages()) > before);
});

test.run();
