import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BatchBuilder } from '../../../src/projections/prepare-batch.js';
import { SeriesRegistry } from '../../../src/projections/series-registry.js';
import { MAX_ROWS_PER_DELTA } from '../../../src/projections/summary-delta.js';
import { routeOf } from '../../../src/store/route.js';
import type { FedMessage } from '../../../src/stream/log-feed.js';
import { BUSINESS } from '../../support/events.js';
import { codec, message } from '../../support/messages.js';

const test = suite('a batch that grows');
const builder = (): BatchBuilder =>
  new BatchBuilder({ codec: codec(), routeOf, registry: new SeriesRegistry([]), business: BUSINESS });
const fed = (sequence: number, body: unknown = { user_id: 5 }): FedMessage => ({
  ...message('metrics.events.user.user_login', body, { sequence }),
  ackSubject: `ack-${sequence}`,
});

test('has what was added since it was last taken, up to the last message', async () => {
  const next = builder();
  assert.is(next.take(), undefined);
  await next.add([fed(1), fed(2, 'no JSON')]);
  const batch = next.take();
  assert.equal([batch?.toSequence, batch?.ackSubject, batch?.lastEventId], [2, 'ack-2', '']);
  assert.equal([batch?.rows.length, batch?.deadLetters.length, batch?.delta.events.user_login], [1, 1, 1]);
  assert.is(next.take(), undefined);
  await next.add([fed(3)]);
  assert.equal([next.take()?.delta.events.user_login, next.room], [1, MAX_ROWS_PER_DELTA]);
});

test('has room for so many messages, and for so many bytes', async () => {
  const next = builder();
  await next.add([fed(1), fed(2)]);
  assert.is(next.room, MAX_ROWS_PER_DELTA - 2);
  const large = new Uint8Array(1_048_576);
  for (let sequence = 3; sequence <= 34; sequence += 1) {
    assert.ok(next.room > 0, `before ${sequence}`);
    await next.add([fed(sequence, large)]);
  }
  assert.is(next.room, 0, 'messages that are no events are held until they are parked');
  next.take();
  assert.is(next.room, MAX_ROWS_PER_DELTA);
});

test.run();
