import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { letterOfUser, namesUser, ofUser } from '../../../src/projections/erase/messages-of-user.js';
import { codec, message } from '../../support/messages.js';

const USER = 4_711;
const test = suite('messages of a user');

for (const [payload, isUser] of [
  ['{"user_id":4711}', true],
  ['{"user_id":"4711"}', true],
  ['{"data":{"user_id":4711}}', true],
  ['{"user_id": 4711, "cut', true],
  ['{"user_id":47110}', false],
  ['{"user_id":4711.5, "cut', false],
  ['{"metadata":{"user_id":4711}}', false],
  ['4711', false],
  [`{"data_base64":"${Buffer.from('{"user_id":4711}').toString('base64')}"}`, true],
  [`{"data_base64":"${Buffer.from('{"user_id":4712}').toString('base64')}"}`, false],
] as const) {
  test(`a payload that cannot be decoded: ${payload} is ${isUser ? '' : 'not '}the user's`, () => {
    assert.is(namesUser(Buffer.from(payload), USER), isUser);
  });
}

const SOURCE = { subject: 'appointments.created', userIdPointer: '/patient/number' };

for (const [body, isUser] of [
  [{ patient: { number: USER }, at: 'never' }, true],
  [{ patient: { number: String(USER) } }, true],
  [{ patient: { number: USER + 1 } }, false],
  [{ number: USER }, false],
] as const) {
  test(`of another service, refused: ${JSON.stringify(body)} is ${isUser ? '' : 'not '}the user's`, () => {
    const options = codec({ ...SOURCE, occurredAtPointer: '/at' });
    const refused = message('appointments.created', { ...body, at: 'never' });
    assert.is(ofUser(USER, options)(refused), isUser);
    const header = (name: string): string | undefined =>
      name === 'Metrics-Subject' ? 'appointments.created' : undefined;
    assert.is(letterOfUser(USER, options)({ ...refused, subject: 'metrics.deadletter.invalid_time', header }), isUser);
  });
}

test('of another service, cut off: the last key of the pointer tells', () => {
  const cut = Buffer.from(`{"patient":{"number": ${USER}, "na`);
  assert.ok(namesUser(cut, USER, SOURCE.userIdPointer));
  assert.not(namesUser(cut, USER));
  assert.not(namesUser(cut, 471, SOURCE.userIdPointer));
});

test.run();
