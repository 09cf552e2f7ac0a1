import { join } from 'node:path';
import { CONFIG_FOLDER, type EnvReader } from './config-reader.js';
import { MIN_TOKEN_BYTES } from './config-secrets.js';

export interface RulesConfig {
  /** The file of rules. */
  readonly file: string;
  /** How often rules are evaluated, in time of the log. */
  readonly intervalSeconds: number;
}

/** What the environment says of alerts. A channel that is not there is not configured. */
export interface AlertsConfig extends RulesConfig {
  /** Where people reach this service, without a slash at the end; it stands in what the webhook gets. */
  readonly externalUrl?: string;
  readonly email?: { readonly smtpUrl: string; readonly from: string; readonly to: readonly string[] };
  readonly slack?: { readonly url: string; readonly allowPrivate: boolean };
  readonly webhook?: {
    readonly url: string;
    /** Bodies are signed with it. */
    readonly secret?: string;
    /** Whether it may lead into a private network, as Slack's may then, too. */
    readonly allowPrivate: boolean;
  };
}

const SMTP_PROTOCOLS = ['smtp:', 'smtps:'];
const HTTP_PROTOCOLS = ['http:', 'https:'];
const MAX_RECIPIENTS = 50;
/** Enough to refuse what could end a header; whether there is such a mailbox, only its server knows. */
const ADDRESS = /^[^\s,;<>"@\p{Cc}]{1,64}@[^\s,;<>"@\p{Cc}]{1,255}$/u;

/** Reads what concerns alerts. Values of URLs are never repeated: they hold passwords and tokens. */
export function readAlerts(read: EnvReader): AlertsConfig {
  const secret = read.token('secret', 'ALERT_WEBHOOK_SECRET', MIN_TOKEN_BYTES);
  const allowPrivate = read.boolean('ALERT_WEBHOOK_ALLOW_PRIVATE', false);
  const slackUrl = readUrl(read, 'SLACK_WEBHOOK_URL', HTTP_PROTOCOLS);
  const webhookUrl = readUrl(read, 'ALERT_WEBHOOK_URL', HTTP_PROTOCOLS);
  const externalUrl = readUrl(read, 'METRICS_EXTERNAL_URL', HTTP_PROTOCOLS);
  return {
    ...readRulesConfig(read),
    ...readEmail(read),
    ...(externalUrl === undefined ? {} : { externalUrl: externalUrl.replace(/\/+$/, '') }),
    ...(slackUrl === undefined ? {} : { slack: { url: slackUrl, allowPrivate } }),
    ...(webhookUrl === undefined ? {} : { webhook: { url: webhookUrl, ...secret, allowPrivate } }),
  };
}

export function readRulesConfig(read: EnvReader): RulesConfig {
  return {
    file: read.text('ALERTS_FILE', join(CONFIG_FOLDER, 'alerts.yaml')),
    intervalSeconds: read.integer('ALERT_EVALUATION_INTERVAL', 15, 1, 3_600),
  };
}

function readEmail(read: EnvReader): Pick<AlertsConfig, 'email'> {
  const smtpUrl = readUrl(read, 'SMTP_URL', SMTP_PROTOCOLS);
  const from = read.text('ALERT_EMAIL_FROM', '');
  const to = read.list('ALERT_EMAIL_TO', '');
  if (from !== '' && !ADDRESS.test(from)) read.problem('ALERT_EMAIL_FROM', 'must be an address as alerts@example.org');
  if (!to.every((address) => ADDRESS.test(address)) || to.length > MAX_RECIPIENTS) {
    read.problem('ALERT_EMAIL_TO', `must be a comma list of at most ${MAX_RECIPIENTS} addresses`);
  }
  if (smtpUrl === undefined) return {};
  if (from === '') read.problem('ALERT_EMAIL_FROM', 'must be set where SMTP_URL is');
  if (to.length === 0) read.problem('ALERT_EMAIL_TO', 'must be set where SMTP_URL is');
  return { email: { smtpUrl, from, to } };
}

function readUrl(read: EnvReader, name: string, protocols: readonly string[]): string | undefined {
  const text = read.raw(name);
  if (text === undefined) return undefined;
  const isUrl = URL.canParse(text) && protocols.includes(new URL(text).protocol) && new URL(text).hostname !== '';
  if (!isUrl) read.problem(name, `must be a URL that begins with ${protocols.map((each) => `${each}//`).join(' or ')}`);
  return text;
}
