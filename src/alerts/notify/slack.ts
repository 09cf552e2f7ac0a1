import type { Notice, ToldAlert } from './notice.js';
import { postJson } from './post-json.js';
import type { NoticeSender, SendOutcome } from './sender.js';
import { MAX_WORDED_ALERTS, shorten, titleOf, wordsOf } from './wording.js';

export interface SlackOptions {
  /** Of an incoming webhook; it is a secret. */
  readonly url: URL;
  readonly allowPrivate: boolean;
  readonly timeoutMs: number;
}

// What Slack takes: 150 characters in a header, 3,000 in a section, 50 blocks. All blocks together are refused from about
// 13,000 characters on, which is not documented.
const MAX_HEADER_CHARACTERS = 150;
/** Five lines make a section. */
const MAX_LINE_CHARACTERS = 560;
const MAX_BLOCKS_CHARACTERS = 11_000;

const SEVERITY_SIGNS: Readonly<Record<string, string>> = {
  critical: ':red_circle:',
  warning: ':large_orange_circle:',
  info: ':large_blue_circle:',
};

/** Tells a Slack channel through an incoming webhook. */
export class SlackSender implements NoticeSender {
  readonly channel = 'slack';

  constructor(private readonly options: SlackOptions) {}

  send(notice: Notice, signal: AbortSignal): Promise<SendOutcome> {
    const { url, allowPrivate, timeoutMs } = this.options;
    return postJson(url, JSON.stringify(slackMessage(notice)), {
      // Slack knows no such header; it helps what stands between.
      headers: { 'Idempotency-Key': notice.key },
      allowPrivate,
      timeoutMs,
      signal,
    });
  }

  close(): void {}
}

interface SlackMessage {
  /** What notifications and screen readers say. */
  readonly text: string;
  readonly blocks: readonly object[];
}

/** The body of a message: a header, a section for each alert, and the key, by which two of the same are known. */
export function slackMessage(notice: Notice): SlackMessage {
  const title = titleOf(notice);
  const sections: string[] = [];
  let characters = 0;
  for (const told of notice.told.slice(0, MAX_WORDED_ALERTS)) {
    const section = sectionOf(told);
    characters += section.length;
    if (characters > MAX_BLOCKS_CHARACTERS) break;
    sections.push(section);
  }
  const left = notice.told.length - sections.length;
  return {
    text: escapeMrkdwn(title),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: shorten(title, MAX_HEADER_CHARACTERS), emoji: false } },
      ...sections.map((text) => ({ type: 'section', text: { type: 'mrkdwn', text } })),
      ...(left > 0 ? [context(`and ${left} more`)] : []),
      context(`key ${notice.key}`),
    ],
  };
}

function context(text: string): object {
  return { type: 'context', elements: [{ type: 'mrkdwn', text }] };
}

function sectionOf(told: ToldAlert): string {
  const words = wordsOf(told);
  const sign = told.alert.status === 'resolved' ? ':white_check_mark:' : (SEVERITY_SIGNS[words.severity] ?? '');
  const lines = [
    `*${words.state}* ${words.name} (${words.severity})`,
    words.summary,
    words.condition,
    words.labels,
    words.time,
  ].filter((line) => line !== '');
  return `${sign} ${lines.map((line) => shortenEscaped(escapeMrkdwn(line))).join('\n')}`;
}

/** Cuts a line so that no entity is halved. */
function shortenEscaped(line: string): string {
  if (line.length <= MAX_LINE_CHARACTERS) return line;
  return `${line.slice(0, MAX_LINE_CHARACTERS).replace(/&[a-z]*$|[\uD800-\uDBFF]$/, '')}…`;
}

/** Slack's rule: these three characters, and no others, so that no text of an alert is a link or a mention. */
export function escapeMrkdwn(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
