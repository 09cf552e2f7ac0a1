import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, headers, type MsgHdrs, type NatsConnection } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Summary } from '../../src/queries/summary.js';
import { testPool } from '../support/database.js';
import { waitFor } from '../support/servers.js';
import { startTestService, type TestService } from '../support/service.js';

const SOURCES = `
sources:
  - subject: appointments.created
    event_type: appointment_created
    id: /event_id
    user_id: /patient/user_id
    occurred_at: /created_at
  - subject: devices.>
`;

const test = suite('Events from NATS, all the way');
let folder: string;
let service: TestService;
let connection: NatsConnection;

test.before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'metrics-test-sources-'));
  writeFileSync(join(folder, 'sources.yaml'), SOURCES);
  service = await startTestService({ SOURCES_FILE: join(folder, 'sources.yaml') });
  connection = await connect({ servers: service.servers.nats.url });
});

test.after(async () => {
  await connection.close();
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
});

function withHeaders(fields: Readonly<Record<string, string>>): MsgHdrs {
  const made = headers();
  for (const [name, value] of Object.entries(fields)) made.set(name, value);
  return made;
}

async function publish(subject: string, body: unknown, fields: Readonly<Record<string, string>> = {}): Promise<void> {
  await connection.jetstream().publish(subject, JSON.stringify(body), { headers: withHeaders(fields) });
}

/** The rows of user_events once there are so many. */
async function userEvents(count: number): Promise<Record<string, unknown>[]> {
  const pool = testPool(service.servers.database.url, 1);
  try {
    return await waitFor(`${count} rows`, async () => {
      const { rows } = await pool.query(
        'select event_id, event_type, user_id, created_at, metadata from user_events order by stream_seq',
      );
      return rows.length === count ? rows : undefined;
    });
  } finally {
    await pool.end();
  }
}

test("other services' subjects become user events, each with the time that its pointer names", async () => {
  const createdAt = new Date(Date.now() - 60_000).toISOString();
  const appointment = { event_id: 'a-1', id: 'room-7', patient: { user_id: 9 }, created_at: createdAt };
  await publish('appointments.created', appointment);
  await publish('appointments.created', appointment);
  await publish('devices.eu.updated', { id: 'dev-1' });
  await publish('devices.eu.updated', { id: 'dev-1' });
  const rows = await userEvents(3);
  assert.equal(
    rows.map(({ event_id, event_type, user_id }) => [event_id, event_type, user_id]),
    [
      ['a-1', 'appointment_created', 9],
      ['METRICS:3', 'devices_eu_updated', null],
      ['METRICS:4', 'devices_eu_updated', null],
    ],
  );
  assert.equal(rows[0]?.created_at, new Date(createdAt));
  assert.equal(rows[0]?.metadata, appointment);
  await waitFor('the business number', async () => {
    const { business } = (await service.client.get('/metrics/summary')).json() as Summary;
    return business.appointments_created === 1 ? true : undefined;
  });
});

test('CloudEvents in structured and in binary mode become rows under their own ids', async () => {
  const attributes = { specversion: '1.0', source: '/shop', type: 'metrics.user.user_login.v1' };
  const structured = { ...attributes, id: 'ce-1', data: { user_id: 5 } };
  await publish('metrics.events.user.user_login', structured, { 'Content-Type': 'application/cloudevents+json' });
  const binary = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]));
  await publish('metrics.events.user.user_login', { user_id: 6 }, { ...binary, 'ce-id': 'ce-2' });
  const rows = (await userEvents(5)).slice(3);
  assert.equal(
    rows.map(({ event_id, event_type, user_id }) => [event_id, event_type, user_id]),
    [
      ['ce-1', 'user_login', 5],
      ['ce-2', 'user_login', 6],
    ],
  );
});

test.run();
