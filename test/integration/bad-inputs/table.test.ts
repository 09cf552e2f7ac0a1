import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { allLetters } from '../../support/letters.js';
import { openLog } from '../../support/log.js';
import { BODY_SPECIALS, BOTH_WAYS, MARKER, OVER_HTTP, OVER_NATS } from './bodies.js';
import { documentedWays, ELSEWHERE, readProjectFile, triedWays } from './documented.js';
import type { OverHttp, OverNats } from './rows.js';
import { BadInputStage } from './stage.js';
import { TOKEN_SPECIALS, TOKENS } from './tokens.js';

const test = suite('Bad inputs, each between two valid events');
let stage: BadInputStage;

/** What has to lie among the dead letters, in the order in which it was sent. */
const parked: { readonly label: string; readonly reason: string }[] = [];

test.before(async () => {
  stage = await BadInputStage.open();
});

test.after(async () => {
  await stage.close();
});

const overHttp: readonly OverHttp[] = [...TOKENS, ...BOTH_WAYS.map(([http]) => http), ...OVER_HTTP];
const overNats: readonly OverNats[] = [...BOTH_WAYS.map(([, nats]) => nats), ...OVER_NATS];

for (const { row, name, send, problems, reason } of overHttp) {
  const label = `${row} over HTTP: ${name}`;
  test(`${label} is refused as ${problems.join(' or ')}`, async () => {
    const answer = await stage.between('http', label, () => send(stage));
    assert.is(answer.headers.get('content-type'), 'application/problem+json', answer.text);
    const problem = answer.json() as { type: string; status: number; reason?: string };
    const named = problem.type.replace(/^urn:metrics-service:problem:/, '');
    assert.ok(
      problems.some((each) => each === named),
      `${answer.status} ${answer.text}`,
    );
    assert.is(problem.status, answer.status);
    if (reason !== undefined) assert.is(problem.reason, reason);
  });
}

for (const { row, name, message, reason } of overNats) {
  const label = `${row} over NATS: ${name}`;
  test(`${label} is parked as ${reason}`, async () => {
    await stage.between('nats', label, () => stage.publish(message()));
    parked.push({ label, reason });
  });
}

for (const { row, name, way, check } of [...TOKEN_SPECIALS, ...BODY_SPECIALS]) {
  const label = `${row} over ${way === 'http' ? 'HTTP' : 'NATS'}: ${name}`;
  test(label, () => stage.between(way, label, () => check(stage)));
}

test('each row of docs/faults.md is tried in the ways that it names, or has tests elsewhere', () => {
  const documented = documentedWays();
  assert.is(documented.size, 21);
  assert.equal([...triedWays()], [...documented]);
  for (const [row, file, text] of ELSEWHERE) {
    assert.ok(readProjectFile(`test/${file}.test.ts`).includes(text), `${row}: ${file}: ${text}`);
  }
});

test('every neighbour is stored once, and nothing else is', async () => {
  assert.equal(await stage.audit(), { missing: [], foreign: [], unexpected: 0 });
});

test('every bad message is parked under its reason, and the service is ready', async () => {
  const log = await openLog(stage.natsUrl);
  try {
    const letters = await allLetters(log);
    const reasons = letters.sort((a, b) => a.logSequence - b.logSequence).map(({ reason }) => reason);
    assert.is(reasons.length, parked.length);
    const found = parked.map(({ label }, index) => ({ label, reason: reasons[index] }));
    assert.equal(found, parked);
  } finally {
    await log.close();
  }
  const health = await stage.client.get('/health/detailed');
  assert.is(health.status, 200, health.text);
});

test('not one byte of a name that is none was written to NATS', () => {
  const { written } = stage.tap;
  assert.ok(written.includes('metrics.events.user.neighbour'), 'what is written is seen');
  assert.is(written.indexOf(MARKER), -1);
});

test.run();
