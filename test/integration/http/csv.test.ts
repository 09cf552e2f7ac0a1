import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SERIES_NAMES } from '../../../src/http/schemas/dashboard.js';
import { waitFor } from '../../support/servers.js';
import { startTestService, type TestService } from '../../support/service.js';

const test = suite('GET /metrics/dashboard?format=csv');
let service: TestService;

test.before(async () => {
  service = await startTestService();
  await service.client.post('/metrics/events/batch', {
    events: [
      { event_type: 'user_login', user_id: 1 },
      { kind: 'system', service_name: '-billing', metric_name: 'cpu_usage', value: 12.5 },
    ],
  });
});

test.after(async () => {
  await service.stop();
});

test('gives a series with its header', async () => {
  const path = '/metrics/dashboard?from=-1h&interval=1h&format=csv&series=logins';
  const answer = await waitFor('the login', async () => {
    const answer = await service.client.get(path);
    return /,1\r\n/.test(answer.text) ? answer : undefined;
  });
  assert.is(answer.headers.get('content-type'), 'text/csv; charset=utf-8; header=present');
  assert.match(answer.text, /^t,value\r\n(\d{4}-\d\d-\d\dT\d\d:00:00\.000Z,[01]\r\n){2}$/);
  const again = await service.client.send('GET', path, undefined, {
    'if-none-match': answer.headers.get('etag') ?? '',
  });
  assert.is(again.status, 304);
});

test('gives a split series with a column for each key', async () => {
  const path = '/metrics/dashboard?from=-1h&interval=1h&format=csv&series=cpu_usage';
  await waitFor('the measurement', async () => {
    const { text } = await service.client.get(path);
    return /^t,'-billing\r\n[\s\S]*,12\.5\r\n/.test(text) ? true : undefined;
  });
});

test('gives every series of the dashboard', async () => {
  const { series } = (await service.client.get('/metrics/dashboard?from=-1h')).json() as { series: object };
  assert.equal(Object.keys(series).sort(), [...SERIES_NAMES].sort());
  for (const name of SERIES_NAMES) {
    const answer = await service.client.get(`/metrics/dashboard?from=-1h&format=csv&series=${name}`);
    assert.is(answer.status, 200, name);
  }
});

test('names the series that there are where another is asked for', async () => {
  for (const query of ['format=csv', 'format=csv&series=nothing', 'format=csv&series=__proto__']) {
    const answer = await service.client.get(`/metrics/dashboard?${query}`);
    assert.is(answer.status, 400);
    for (const name of SERIES_NAMES) assert.match(answer.text, name);
  }
  for (const query of ['format=xml', 'format=json&series=logins', 'series=logins']) {
    assert.is((await service.client.get(`/metrics/dashboard?${query}`)).status, 400, query);
  }
  assert.is((await service.client.get('/metrics/dashboard?format=json')).status, 200);
});

test.run();
