import { createHmac } from 'node:crypto';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { alertmanagerBody } from '../../../../src/alerts/notify/alertmanager.js';
import { emailHtml, emailText } from '../../../../src/alerts/notify/email-text.js';
import type { Notice, ToldAlert } from '../../../../src/alerts/notify/notice.js';
import { parseRetryAfter } from '../../../../src/alerts/notify/post-json.js';
import { slackMessage } from '../../../../src/alerts/notify/slack.js';
import { signatureHeaders } from '../../../../src/alerts/notify/webhook.js';
import { hasControlCharacters, titleOf } from '../../../../src/alerts/notify/wording.js';
import { ALERT_END, ALERT_START, toldAlert } from '../../../support/alerts.js';

const test = suite('what notices look like');

const AT_MS = Date.parse('2026-11-24T12:00:31.000Z');
function notice(...told: ToldAlert[]): Notice {
  return { channel: 'webhook', key: 'k'.repeat(32), atMs: AT_MS, told };
}

test('the title counts what fires and what has resolved, and names the rules once', () => {
  const told = [toldAlert('a', 'firing'), toldAlert('a', 'still_firing'), toldAlert('b', 'fired_and_resolved')];
  assert.is(titleOf(notice(...told)), '[FIRING:2 RESOLVED:1] a, b');
  assert.is(titleOf(notice(toldAlert('b', 'resolved'))), '[RESOLVED:1] b');
});

test('the title is one short line, whatever the alerts are called', () => {
  const title = titleOf(notice(toldAlert('a\r\nBcc: x@y.example', 'firing'), toldAlert('ü'.repeat(300), 'firing')));
  assert.not.ok(hasControlCharacters(title));
  assert.ok(title.length <= 140);
  assert.ok(title.includes('a Bcc: x@y.example'));
});

test("texts of an alert cannot become HTML, in an email's HTML", () => {
  const evil = `<script>alert("1")</script>&'`;
  const told = toldAlert('a', 'firing', {
    summary: evil,
    labels: { team: '<img src=x>' },
    condition: 'a < 1 && b > 2',
  });
  const html = emailHtml(notice(told));
  assert.not.match(html, /<script|<img/);
  assert.ok(html.includes('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;'));
  assert.ok(html.includes('a &lt; 1 &amp;&amp; b &gt; 2'));
  assert.ok(emailText(notice(told)).includes(evil), 'plain text has it as it is');
});

test('an email says state, severity, summary, condition with value, labels and times', () => {
  const told = [toldAlert('a', 'firing'), toldAlert('b', 'fired_and_resolved')];
  const text = emailText(notice(...told));
  for (const part of [
    'FIRING: a (critical)',
    'billing: a',
    'error_rate > 0.05, value 0.08',
    'service_name=billing',
    `since ${ALERT_START}`,
    'FIRED AND RESOLVED: b',
    `${ALERT_START} to ${ALERT_END}`,
    `key ${'k'.repeat(32)}`,
  ]) {
    assert.ok(text.includes(part), part);
  }
});

interface Block {
  readonly type: string;
  readonly text?: { readonly type: string; readonly text: string };
  readonly elements?: readonly { readonly text: string }[];
}
function blocksOf(told: readonly ToldAlert[]): Block[] {
  const value: unknown = JSON.parse(JSON.stringify(slackMessage(notice(...told)).blocks));
  if (!Array.isArray(value)) throw new Error('no blocks');
  return value;
}

test('a message for Slack mentions nobody and links nowhere', () => {
  const told = toldAlert('a', 'firing', { summary: '<!channel> <https://evil.example|click> & more' });
  const { text, blocks } = slackMessage(notice(told));
  const json = JSON.stringify({ text, blocks });
  assert.not.match(json, /<!channel>|<https/);
  assert.ok(json.includes('&lt;!channel&gt; &lt;https://evil.example|click&gt; &amp; more'));
});

test("a message for Slack stays within Slack's limits, and tells how many are left out", () => {
  const long = { summary: '&'.repeat(500), condition: '<'.repeat(500), labels: { a: '>'.repeat(500) } };
  const told = Array.from({ length: 300 }, (_, index) => toldAlert(`rule_${index}`, 'firing', long));
  const blocks = blocksOf(told);
  assert.ok(blocks.length <= 50, `${blocks.length} blocks`);
  let characters = 0;
  for (const { type, text, elements } of blocks) {
    const content = text?.text ?? elements?.[0]?.text ?? '';
    characters += content.length;
    assert.ok(content.length > 0 && content.length <= (type === 'header' ? 150 : 3_000), `${type}: ${content.length}`);
    assert.not.match(content, /&(?!amp;|lt;|gt;)/, 'no half entity');
  }
  assert.ok(characters <= 13_000, `${characters} characters`);
  const sections = blocks.filter(({ type }) => type === 'section').length;
  assert.ok(blocks.some(({ elements }) => elements?.[0]?.text === `and ${300 - sections} more`));
});

/** The shape that Alertmanager documents for version "4" of its webhook, with nothing beside it. */
const texts = { type: 'object', additionalProperties: { type: 'string' } };
const ALERTMANAGER_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: [
    'version',
    'groupKey',
    'truncatedAlerts',
    'status',
    'receiver',
    'groupLabels',
    'commonLabels',
    'commonAnnotations',
    'externalURL',
    'alerts',
  ],
  properties: {
    version: { const: '4' },
    groupKey: { type: 'string', minLength: 1 },
    truncatedAlerts: { type: 'integer', minimum: 0 },
    status: { enum: ['firing', 'resolved'] },
    receiver: { type: 'string' },
    groupLabels: texts,
    commonLabels: texts,
    commonAnnotations: texts,
    externalURL: { type: 'string' },
    alerts: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['status', 'labels', 'annotations', 'startsAt', 'endsAt', 'generatorURL', 'fingerprint'],
        properties: {
          status: { enum: ['firing', 'resolved'] },
          labels: texts,
          annotations: texts,
          startsAt: { type: 'string', format: 'date-time' },
          endsAt: { type: 'string', format: 'date-time' },
          generatorURL: { type: 'string' },
          fingerprint: { type: 'string', pattern: '^[0-9a-f]{16}$' },
        },
      },
    },
  },
};
const ajv = new Ajv.default();
addFormats.default(ajv);
const isAlertmanagerBody = ajv.compile(ALERTMANAGER_SCHEMA);
const URL_OF_SERVICE = 'http://metrics.example:8005';

test('the body of a webhook has the shape of version 4 and nothing else', () => {
  for (const told of [
    [toldAlert('a', 'firing')],
    [toldAlert('a', 'resolved', { value: null }), toldAlert('b', 'firing')],
  ]) {
    const body: unknown = JSON.parse(JSON.stringify(alertmanagerBody(notice(...told), URL_OF_SERVICE)));
    assert.ok(isAlertmanagerBody(body), JSON.stringify(isAlertmanagerBody.errors));
  }
});

test('the body of a webhook for a group of one rule', () => {
  assert.equal(alertmanagerBody(notice(toldAlert('a', 'firing')), URL_OF_SERVICE), {
    version: '4',
    groupKey: '{}:{alertname="a"}',
    truncatedAlerts: 0,
    status: 'firing',
    receiver: 'webhook',
    groupLabels: { alertname: 'a' },
    commonLabels: { alertname: 'a', severity: 'critical', service_name: 'billing' },
    commonAnnotations: { summary: 'billing: a', condition: 'error_rate > 0.05', value: '0.08' },
    externalURL: URL_OF_SERVICE,
    alerts: [
      {
        status: 'firing',
        labels: { alertname: 'a', severity: 'critical', service_name: 'billing' },
        annotations: { summary: 'billing: a', condition: 'error_rate > 0.05', value: '0.08' },
        startsAt: ALERT_START,
        endsAt: '0001-01-01T00:00:00Z',
        generatorURL: `${URL_OF_SERVICE}/metrics/alerts`,
        fingerprint: alertmanagerBody(notice(toldAlert('a', 'resolved')), '').alerts[0]?.fingerprint,
      },
    ],
  });
});

test('what is common to all alerts is told as common, and a mixed group fires while one of them does', () => {
  const told = [toldAlert('a', 'firing'), toldAlert('b', 'resolved', { labels: { service_name: 'users' } })];
  const body = alertmanagerBody(notice(...told), '');
  assert.is(body.status, 'firing');
  assert.equal(body.commonLabels, { severity: 'critical' });
  assert.equal([body.groupKey, body.groupLabels], ['{}:{}', {}]);
  assert.is.not(body.alerts[0]?.fingerprint, body.alerts[1]?.fingerprint);
  assert.is(body.alerts[1]?.endsAt, ALERT_END);
  assert.is(
    alertmanagerBody(notice(toldAlert('a', 'resolved'), toldAlert('b', 'fired_and_resolved')), '').status,
    'resolved',
  );
});

test('a body holds every alert of the largest notice, for all of them count as told', () => {
  const told = Array.from({ length: 500 }, (_, index) => toldAlert(`r${index}`, 'firing'));
  const body = alertmanagerBody(notice(...told), '');
  assert.equal([body.alerts.length, body.truncatedAlerts], [500, 0]);
});

test('a signature covers the time and the body', () => {
  const headers = signatureHeaders('secret', '{"a":1}', 1_764_000_000_999);
  const expected = createHmac('sha256', 'secret').update('1764000000.{"a":1}').digest('hex');
  assert.equal(headers, { 'X-Metrics-Timestamp': '1764000000', 'X-Metrics-Signature': `sha256=${expected}` });
});

const RETRY_AFTER: readonly [text: string | undefined, ms: number | undefined][] = [
  [undefined, undefined],
  ['30', 30_000],
  ['0', 0],
  ['Tue, 24 Nov 2026 12:01:31 GMT', 60_000],
  ['Tue, 24 Nov 2026 11:00:00 GMT', 0],
  ['soon', undefined],
];
for (const [text, ms] of RETRY_AFTER) {
  test(`Retry-After: ${text ?? 'none'}`, () => assert.is(parseRetryAfter(text, AT_MS), ms));
}

test.run();
