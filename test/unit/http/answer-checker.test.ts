import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SERVICES_HEALTH, STATUS, SUMMARY } from '../../../src/http/openapi/examples.js';
import { Problem } from '../../../src/http/problems.js';
import { AnswerChecker } from '../../support/answer-checker.js';

const test = suite('The checker of answers');
const checker = new AnswerChecker();

const TAG = { etag: 'W/"a"', 'cache-control': 'private, no-cache' };
const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };
const PROBLEM_TYPE = { 'content-type': 'application/problem+json' };

type Given = [method: string, path: string, status: number, headers: Record<string, string>, body: unknown];

const check = ([method, path, status, headers, body]: Given): void =>
  checker.check(method, path, {
    status,
    headers: new Headers(headers),
    text: typeof body === 'string' ? body : JSON.stringify(body),
  });

const refused = new Problem('unauthorized', 'no').toBody();
const CHALLENGE = { ...PROBLEM_TYPE, 'www-authenticate': 'Bearer' };

const GOOD: [what: string, given: Given][] = [
  ['an answer', ['GET', '/metrics/summary?window=1h', 200, { ...TAG, ...JSON_TYPE }, SUMMARY]],
  ['a 304', ['GET', '/metrics/summary', 304, TAG, '']],
  ['a problem', ['GET', '/metrics/summary', 401, CHALLENGE, refused]],
  ['that it is not ready', ['GET', '/health/detailed', 503, JSON_TYPE, STATUS]],
  ['that it stops', ['GET', '/health/detailed', 503, PROBLEM_TYPE, new Problem('stopping', 'no').toBody()]],
  ['a HEAD', ['HEAD', '/metrics/summary', 200, { ...TAG, ...JSON_TYPE }, '']],
  ['an address that is not there', ['GET', '/nothing', 404, PROBLEM_TYPE, new Problem('not_found', 'no').toBody()]],
  [
    'a method that is not taken',
    ['PUT', '/health', 405, { ...PROBLEM_TYPE, allow: 'GET' }, new Problem('method_not_allowed', 'no').toBody()],
  ],
];
for (const [what, given] of GOOD) {
  test(`lets ${what} pass`, () => check(given));
}

const { source: _source, ...withoutSource } = SUMMARY;
const BAD: [what: string, given: Given][] = [
  ['a field too many', ['GET', '/metrics/summary', 200, { ...TAG, ...JSON_TYPE }, { ...SUMMARY, more: 1 }]],
  [
    'a field too many further down',
    ['GET', '/metrics/summary', 200, { ...TAG, ...JSON_TYPE }, { ...SUMMARY, system: { ...SUMMARY.system, more: 1 } }],
  ],
  ['a field too few', ['GET', '/metrics/summary', 200, { ...TAG, ...JSON_TYPE }, withoutSource]],
  ['another type', ['GET', '/metrics/summary', 200, { ...TAG, ...JSON_TYPE }, { ...SUMMARY, degraded: 'no' }]],
  ["another address's answer", ['GET', '/metrics/summary', 200, { ...TAG, ...JSON_TYPE }, SERVICES_HEALTH]],
  [
    'a time that is none',
    ['GET', '/metrics/summary', 200, { ...TAG, ...JSON_TYPE }, { ...SUMMARY, generated_at: 'now' }],
  ],
  ['no tag', ['GET', '/metrics/summary', 200, JSON_TYPE, SUMMARY]],
  ['another content type', ['GET', '/metrics/summary', 200, { ...TAG, 'content-type': 'text/plain' }, SUMMARY]],
  ['a status that is not described', ['GET', '/metrics/summary', 418, PROBLEM_TYPE, refused]],
  ['a body of a 304', ['GET', '/metrics/summary', 304, TAG, SUMMARY]],
  ['no challenge', ['GET', '/metrics/summary', 401, PROBLEM_TYPE, refused]],
  ["another status's problem", ['GET', '/metrics/summary', 403, CHALLENGE, refused]],
  [
    'a problem that the address has not',
    ['GET', '/metrics/summary', 503, PROBLEM_TYPE, new Problem('too_many_streams', 'no').toBody()],
  ],
  ['a member too many in a problem', ['GET', '/metrics/summary', 401, CHALLENGE, { ...refused, more: 1 }]],
  ['an answer where there is no address', ['GET', '/nothing', 200, JSON_TYPE, {}]],
  ['an answer to a method that is not taken', ['PUT', '/metrics/summary', 200, { ...TAG, ...JSON_TYPE }, SUMMARY]],
];
for (const [what, given] of BAD) {
  test(`refuses ${what}`, () => assert.throws(() => check(given), /says \/openapi\.json/));
}

test.run();
