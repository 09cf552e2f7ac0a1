import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DEVELOPMENT_PREFIX, type Environment, loadConfig } from '../../src/config.js';
import { ConfigError } from '../../src/config-error.js';
import { loadBusiness, loadSources } from '../../src/config-files.js';

const test = suite('configuration');
const SECRET = 'a-secret-of-at-least-32-bytes-for-tests';
const JWT = { JWT_SECRET: SECRET };

function problems(work: () => unknown): ConfigError {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
}

test('the defaults are those of the contract', () => {
  const config = loadConfig(JWT);
  assert.is(config.port, 8005);
  assert.is(config.databaseUrl, 'postgresql://postgres:postgres@localhost:5432/metrics_db');
  assert.is(config.logLevel, 'info');
  assert.equal(config.redis, { host: 'localhost', port: 6379, password: '', db: 0 });
  assert.equal([config.retentionDays, config.aggregationIntervalSeconds, config.dedupWindowSeconds], [90, 300, 600]);
  assert.equal(config.thresholds, { errorRate: 0.05, responseTimeMs: 2000 });
  assert.equal(config.nats, { servers: ['nats://localhost:4222'] });
  assert.equal([...config.roles], ['api', 'projector', 'alerts']);
  assert.equal([config.streamReplicas, config.jwt.enforceScopes, config.prometheusToken], [1, false, undefined]);
  assert.equal(config.jwt.key, { from: 'secret', secret: SECRET });
});

test('who names an authority, or tls://, gets TLS or nothing', () => {
  const file = import.meta.filename;
  assert.equal(loadConfig({ ...JWT, NATS_URL: 'nats://a,tls://b' }).nats.tls, {});
  assert.equal(loadConfig({ ...JWT, NATS_TLS_CA: file }).nats.tls, { caFile: file });
  assert.equal(loadConfig({ ...JWT, REDIS_TLS: 'true' }).redis.tls, {});
  assert.equal(loadConfig({ ...JWT, REDIS_TLS_CA: file }).redis.tls, { caFile: file });
});

test('a channel is configured by its address', () => {
  const { alerts } = loadConfig(JWT);
  assert.equal(
    [alerts.intervalSeconds, 'email' in alerts, 'slack' in alerts, 'webhook' in alerts],
    [15, false, false, false],
  );
  const configured = loadConfig({
    ...JWT,
    SMTP_URL: 'smtp://localhost:2525',
    ALERT_EMAIL_FROM: 'alerts@example.org',
    ALERT_EMAIL_TO: 'ops@example.org, on-call@example.org',
    SLACK_WEBHOOK_URL: 'https://hooks.slack.com/services/x',
    ALERT_WEBHOOK_URL: 'https://example.org/alerts',
    ALERT_WEBHOOK_SECRET: 'secret',
    METRICS_EXTERNAL_URL: 'https://metrics.example.org/',
  }).alerts;
  assert.is(configured.externalUrl, 'https://metrics.example.org');
  assert.equal(configured.email, {
    smtpUrl: 'smtp://localhost:2525',
    from: 'alerts@example.org',
    to: ['ops@example.org', 'on-call@example.org'],
  });
  assert.equal(configured.slack, { url: 'https://hooks.slack.com/services/x', allowPrivate: false });
  assert.equal(configured.webhook, { url: 'https://example.org/alerts', secret: 'secret', allowPrivate: false });
});

test('a mail server asks for sender and recipients', () => {
  const error = problems(() => loadConfig({ ...JWT, SMTP_URL: 'smtp://user:hunter2@localhost' }));
  assert.equal(
    error.problems.map(({ name }) => name),
    ['ALERT_EMAIL_FROM', 'ALERT_EMAIL_TO'],
  );
  assert.not.match(error.message, 'hunter2');
});

test('empty variables count as unset, and the result is frozen', () => {
  const config = loadConfig({ ...JWT, PORT: '', REDIS_PASSWORD: ' ', NATS_TOKEN: '' });
  assert.is(config.port, 8005);
  assert.not.ok('token' in config.nats);
  assert.throws(() => Object.assign(config.redis, { db: 1 }));
});

const LEVELS: readonly [given: string, level: string][] = [
  ['DEBUG', 'debug'],
  ['Warning', 'warn'],
  ['critical', 'fatal'],
  ['ERROR', 'error'],
  ['trace', 'trace'],
];
for (const [given, level] of LEVELS) {
  test(`LOG_LEVEL=${given} is ${level}`, () => assert.is(loadConfig({ ...JWT, LOG_LEVEL: given }).logLevel, level));
}

test('quotes around a value are no part of it, since docker run --env-file leaves them there', () => {
  const { jwt, port, nats } = loadConfig({
    JWT_SECRET: `"${SECRET}"`,
    PORT: "'8006'",
    NATS_URL: '"nats://a:4222,nats://b:4222"',
    REDIS_PASSWORD: '""',
  });
  assert.equal(jwt.key, { from: 'secret', secret: SECRET });
  assert.equal([port, nats.servers], [8006, ['nats://a:4222', 'nats://b:4222']]);
  // What only begins or ends with one, or has more of them, is as it is.
  for (const secret of [`"${SECRET}`, `${SECRET}'`, `"${SECRET}" and "${SECRET}"`])
    assert.equal(loadConfig({ JWT_SECRET: secret }).jwt.key, { from: 'secret', secret });
});

test('lists, roles and booleans are read', () => {
  const config = loadConfig({
    ...JWT,
    NATS_URL: 'nats://a:4222, b:4223 ,',
    ROLE: 'api, projector',
    JWT_ENFORCE_SCOPES: 'TRUE',
  });
  assert.equal(config.nats.servers, ['nats://a:4222', 'b:4223']);
  assert.equal([...config.roles], ['api', 'projector']);
  assert.is(config.jwt.enforceScopes, true);
});

const WRONG: readonly [name: string, value: string][] = [
  ['PORT', 'http'],
  ['PORT', '70000'],
  ['PORT', '1.5'],
  ['DATABASE_URL', 'mysql://root@localhost/db'],
  ['DATABASE_URL', 'not a url'],
  ['NATS_URL', 'nats://a:4222,:::'],
  ['NATS_URL', 'http://a:4222'],
  ['NATS_URL', ','],
  ['LOG_LEVEL', 'LOUD'],
  ['REDIS_PORT', '0'],
  ['REDIS_DB', '-1'],
  ['METRICS_RETENTION_DAYS', '0'],
  ['METRICS_AGGREGATION_INTERVAL', '5'],
  ['METRICS_DEDUP_WINDOW', 'Infinity'],
  ['METRICS_IP_ADDRESSES', 'blur'],
  ['CORS_ORIGINS', '*'],
  ['CORS_ORIGINS', 'null'],
  ['CORS_ORIGINS', 'https://a.example/'],
  ['CORS_ORIGINS', 'https://a.example,b.example'],
  ['DOCS_ENABLED', 'off'],
  ['HTTP_MAX_CONNECTIONS', '0'],
  ['HTTP_HEADERS_TIMEOUT', '0.5'],
  ['HTTP_HEADERS_TIMEOUT', '31'],
  ['HTTP_REQUEST_TIMEOUT', '3601'],
  ['HTTP_IDLE_TIMEOUT', '0'],
  ['HTTP_MAX_IN_FLIGHT', '0'],
  ['HTTP_MAX_EVENT_LOOP_DELAY', '5'],
  ['HTTP_MAX_BATCH_MEBIBYTES', '7'],
  ['RATE_LIMIT_REQUESTS', '0'],
  ['RATE_LIMIT_WINDOW', '1.5'],
  ['METRICS_STREAM_REPLICAS', '6'],
  ['ALERT_THRESHOLD_ERROR_RATE', '5'],
  ['ALERT_THRESHOLD_RESPONSE_TIME', 'NaN'],
  ['ALERT_EVALUATION_INTERVAL', '0'],
  ['ALERT_EMAIL_TO', 'ops@example.org,nobody'],
  ['ALERT_EMAIL_FROM', 'ops@example.org\r\nBcc: all@example.org'],
  ['SLACK_WEBHOOK_URL', 'hooks.slack.com/services/x'],
  ['ALERT_WEBHOOK_URL', 'file:///etc/passwd'],
  ['ALERT_WEBHOOK_ALLOW_PRIVATE', 'perhaps'],
  ['METRICS_EXTERNAL_URL', 'metrics.example.org'],
  ['ROLE', 'api,king'],
  ['JWT_ENFORCE_SCOPES', 'maybe'],
];
for (const [name, value] of WRONG) {
  test(`${name}=${value} is refused by name`, () => {
    const error = problems(() => loadConfig({ ...JWT, [name]: value }));
    assert.equal(
      error.problems.map((problem) => problem.name),
      [name],
    );
  });
}

/** As `openssl rand -base64 48` gives it. */
const STRONG = 'Zk3vTq9LrXw2sBn7HdJmYp5GcFe8UaQ1oRi6MtKyVxEz4WbNjPlSgCuDhA0OfI+/';
const TOKEN = 'q7Vx2nB9tKz4Lw8c';
const GUESSABLE: readonly [what: string, secret: string][] = [
  ['one character', 'x'.repeat(64)],
  ['a few characters', 'abababbbaababbabababababbbaabbab'],
  ['a word again and again', 'horse-7-battery-horse-7-battery-horse-7-battery'],
  ['the alphabet', 'abcdefghijklmnopqrstuvwxyz0123456789'],
  ['the alphabet backwards', 'zyxwvutsrqponmlkjihgfedcba9876543210'],
  ['what tutorials say', 'your-256-bit-secret-goes-here-now'],
  ['what examples say', 'Please-Change-Me-0x7f3a91c4e8b2d5'],
  ['a password', 'MyP-a-s-s-w-o-r-d-is-9f8e7d6c5b4a3'],
  ['what this project calls itself', 'metrics-service-9f3c-71b5-a0e2-46'],
  ['what the unit tests have', SECRET],
  ['what npm start makes', `${DEVELOPMENT_PREFIX}${STRONG}`],
];
for (const [what, secret] of GUESSABLE) {
  test(`a secret that is ${what} is for development, and refused in production`, () => {
    assert.equal(loadConfig({ JWT_SECRET: secret }).jwt.key, { from: 'secret', secret });
    const error = problems(() => loadConfig({ JWT_SECRET: secret, NODE_ENV: 'production' }));
    assert.equal(
      error.problems.map(({ name }) => name),
      ['JWT_SECRET'],
    );
    assert.not.ok(error.message.includes(secret), 'it is not repeated');
  });
}

test('production takes what generators make, and asks other secrets to be hard to guess as well', () => {
  const random = [STRONG, randomBytes(32).toString('hex'), randomBytes(48).toString('base64'), `${randomUUID()}`];
  for (const secret of random) {
    const config = loadConfig({ JWT_SECRET: secret, NODE_ENV: 'production', PROMETHEUS_TOKEN: TOKEN });
    assert.equal([config.production, config.prometheusToken], [true, TOKEN]);
  }
  for (const name of ['PROMETHEUS_TOKEN', 'ALERT_WEBHOOK_SECRET']) {
    for (const guessable of ['short', 'scrape-me-secretly', '0123456789abcdef']) {
      const env = { JWT_SECRET: STRONG, [name]: guessable };
      assert.ok(loadConfig(env));
      const error = problems(() => loadConfig({ ...env, NODE_ENV: 'production' }));
      assert.equal([error.problems.length, error.problems[0]?.name], [1, name]);
      assert.not.ok(error.message.includes(guessable));
    }
  }
});

const pem = (key: KeyObject, type: 'spki' | 'pkcs8'): string => key.export({ type, format: 'pem' }).toString();
test('addresses are truncated unless it says otherwise; to hash them takes a key', () => {
  const rule = (env: Environment): unknown => loadConfig({ ...JWT, ...env }).addresses;
  assert.equal(rule({}), { kind: 'truncate' });
  assert.equal(rule({ METRICS_IP_ADDRESSES: 'Keep' }), { kind: 'keep' });
  assert.equal(rule({ METRICS_IP_ADDRESSES: 'hash', METRICS_IP_HASH_KEY: SECRET }), { kind: 'hash', key: SECRET });
  for (const env of [{}, { METRICS_IP_HASH_KEY: 'short' }, { METRICS_IP_HASH_KEY: SECRET, NODE_ENV: 'production' }]) {
    const strong = { JWT_SECRET: STRONG, METRICS_IP_ADDRESSES: 'hash', ...env };
    const error = problems(() => loadConfig(strong));
    assert.equal([error.problems.length, error.problems[0]?.name], [1, 'METRICS_IP_HASH_KEY']);
  }
});

const ED25519 = generateKeyPairSync('ed25519');
const ED25519_PEM = pem(ED25519.publicKey, 'spki');
const SHORT_RSA_PEM = pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey, 'spki');
const P384_PEM = pem(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey, 'spki');
const KEYS: readonly [what: string, env: Environment, names: readonly string[]][] = [
  ['no key', {}, ['JWT_SECRET']],
  ['a short secret', { JWT_SECRET: 'short' }, ['JWT_SECRET']],
  ['two keys', { ...JWT, JWT_JWKS_URL: 'https://issuer.example/keys' }, ['JWT_SECRET']],
  ['a public key that is none', { JWT_PUBLIC_KEY: 'abc' }, ['JWT_PUBLIC_KEY']],
  ['a public key of another algorithm', { JWT_PUBLIC_KEY: ED25519_PEM }, ['JWT_PUBLIC_KEY']],
  ['an RSA key that is too short', { JWT_PUBLIC_KEY: SHORT_RSA_PEM }, ['JWT_PUBLIC_KEY']],
  ['a key of another curve', { JWT_PUBLIC_KEY: P384_PEM, JWT_ALGORITHM: 'ES256' }, ['JWT_PUBLIC_KEY']],
  ['a private key', { JWT_PUBLIC_KEY: pem(ED25519.privateKey, 'pkcs8'), JWT_ALGORITHM: 'EdDSA' }, ['JWT_PUBLIC_KEY']],
  [
    'an algorithm that is none',
    { JWT_PUBLIC_KEY: ED25519_PEM, JWT_ALGORITHM: 'none' },
    ['JWT_ALGORITHM', 'JWT_PUBLIC_KEY'],
  ],
  ['a credentials file that is not there', { ...JWT, NATS_CREDS: '/nowhere/creds' }, ['NATS_CREDS']],
  ['a seed that is not there', { ...JWT, NATS_NKEY: '/nowhere/seed' }, ['NATS_NKEY']],
  ['a seed that is none', { ...JWT, NATS_NKEY: import.meta.filename }, ['NATS_NKEY']],
  ['two logins to NATS', { ...JWT, NATS_TOKEN: 'x', NATS_CREDS: import.meta.filename }, ['NATS_CREDS']],
  [
    'an authority that is not there',
    { ...JWT, NATS_TLS_CA: '/no', REDIS_TLS_CA: '/no' },
    ['NATS_TLS_CA', 'REDIS_TLS_CA'],
  ],
  ['a certificate without its key', { ...JWT, NATS_TLS_CERT: import.meta.filename }, ['NATS_TLS_CERT']],
  [
    'an authority for a Redis in the clear',
    { ...JWT, REDIS_TLS: 'false', REDIS_TLS_CA: import.meta.filename },
    ['REDIS_TLS'],
  ],
  ['an inbox of everybody', { ...JWT, NATS_INBOX_PREFIX: '_INBOX.>' }, ['NATS_INBOX_PREFIX']],
  ['an sslmode that is none', { ...JWT, DATABASE_URL: 'postgresql://db/metrics_db?sslmode=full' }, ['DATABASE_URL']],
  [
    'an authority for Postgres that is not there',
    { ...JWT, DATABASE_URL: 'postgresql://db/metrics_db?sslmode=verify-full&sslrootcert=/no' },
    ['DATABASE_URL'],
  ],
  [
    'files that are not there',
    { ...JWT, SOURCES_FILE: '/no', BUSINESS_FILE: '/no' },
    ['SOURCES_FILE', 'BUSINESS_FILE'],
  ],
  ['a JWKS address that is none', { JWT_JWKS_URL: 'nowhere' }, ['JWT_JWKS_URL']],
  ['a JWKS address of a file', { JWT_JWKS_URL: 'file:///keys' }, ['JWT_JWKS_URL']],
];
for (const [what, env, names] of KEYS) {
  test(`${what} is refused`, () => {
    const found = problems(() => loadConfig(env)).problems.map((problem) => problem.name);
    assert.equal([...new Set(found)], names);
  });
}

test('everything that is wrong is listed together, and no value is repeated', () => {
  const env = { PORT: 'x', DATABASE_URL: 'pg://u:hunter2@h/d', JWT_SECRET: 'hunter2', NATS_URL: 'ftp://u:hunter2@h' };
  const error = problems(() => loadConfig(env));
  assert.equal(error.problems.map(({ name }) => name).sort(), ['DATABASE_URL', 'JWT_SECRET', 'NATS_URL', 'PORT']);
  assert.not.match(error.message, 'hunter2');
});

const folder = mkdtempSync(join(tmpdir(), 'metrics-config-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));
function file(text: string): string {
  const path = join(folder, 'file.yaml');
  writeFileSync(path, text);
  return path;
}

test('sources are read, and the shipped files are right', () => {
  const text = `sources:
  - subject: appointments.created
    event_type: appointment_created
    id: /event_id
    user_id: /patient/user_id
    occurred_at: /created_at
  - subject: devices.>
`;
  assert.equal(loadSources(file(text)), [
    {
      subject: 'appointments.created',
      eventType: 'appointment_created',
      idPointer: '/event_id',
      userIdPointer: '/patient/user_id',
      occurredAtPointer: '/created_at',
    },
    {
      subject: 'devices.>',
      eventType: undefined,
      idPointer: undefined,
      userIdPointer: undefined,
      occurredAtPointer: undefined,
    },
  ]);
  assert.equal(loadSources(file('sources: []')), []);
  assert.equal(loadSources(file('')), []);
  const shipped = loadConfig(JWT);
  assert.equal(shipped.sources, []);
  assert.equal(shipped.business.patientEngagementPrefixes, ['patient_']);
});

const aliasBomb = `a: &a [x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]
sources: [*c, *c, *c, *c, *c, *c, *c, *c, *c]`;
const BAD_SOURCES: readonly [what: string, text: string][] = [
  ['no list', 'sources: 5'],
  ['no subject', 'sources: [{event_type: a}]'],
  ['an unknown setting', 'sources: [{subject: a.b, occured_at: /at}]'],
  ['subjects that overlap', 'sources: [{subject: devices.registered}, {subject: devices.>}]'],
  ['wildcards that overlap', "sources: [{subject: 'a.*.c'}, {subject: a.b.*}]"],
  ['our own subjects', 'sources: [{subject: metrics.events.user.a}]'],
  ['everything', "sources: [{subject: '>'}]"],
  ['a wildcard at the beginning', "sources: [{subject: '*.created'}]"],
  ['a subject of JetStream', 'sources: [{subject: $JS.API.>}]'],
  ['a space in the subject', 'sources: [{subject: a b}]'],
  ['an event type that is no token', 'sources: [{subject: a.b, event_type: a.b}]'],
  ['a pointer that is none', 'sources: [{subject: a.b, user_id: user}]'],
  ['an entry that is text', 'sources: [text]'],
  ['no YAML', 'sources: [}'],
  ['an alias bomb', aliasBomb],
];
for (const [what, text] of BAD_SOURCES) {
  test(`a sources file with ${what} is refused by its name`, () => {
    const path = file(text);
    assert.match(problems(() => loadSources(path)).message, path);
  });
}

test('a file that is not there is refused by its name', () => {
  assert.match(problems(() => loadSources('no-such-file.yaml')).message, 'no-such-file.yaml');
});

test('a business file names every list that is wrong', () => {
  const error = problems(() => loadBusiness(file('appointments_created: [a.b]\nnotifications_sent: x')));
  assert.is(error.problems.length, 4);
});

test.run();
