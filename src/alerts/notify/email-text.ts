import { formatTime } from '../../events/time.js';
import { goesOn, type Notice, type ToldAlert } from './notice.js';
import { type AlertWords, MAX_WORDED_ALERTS, titleOf, wordsOf } from './wording.js';

/** The plain text of an email: a paragraph for each alert. */
export function emailText(notice: Notice): string {
  const paragraphs = notice.told.slice(0, MAX_WORDED_ALERTS).map((told) => {
    const words = wordsOf(told);
    return [`${words.state}: ${words.name} (${words.severity})`, ...detailsOf(words)].join('\n  ');
  });
  return `${[titleOf(notice), ...paragraphs, ...restOf(notice), footerOf(notice)].join('\n\n')}\n`;
}

/** The same as HTML. Every text of an alert is escaped. */
export function emailHtml(notice: Notice): string {
  const rows = notice.told.slice(0, MAX_WORDED_ALERTS).map(rowOf);
  const rest = restOf(notice).map((text) => `<p>${escapeHtml(text)}</p>`);
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"></head><body style="font-family:sans-serif">',
    `<h1 style="font-size:1.2em">${escapeHtml(titleOf(notice))}</h1>`,
    ...rows,
    ...rest,
    `<p style="color:#666;font-size:0.85em">${escapeHtml(footerOf(notice))}</p>`,
    '</body></html>',
  ].join('\n');
}

function rowOf(told: ToldAlert): string {
  const words = wordsOf(told);
  const colour = goesOn(told.as) ? '#b00020' : '#1b7f3b';
  const details = detailsOf(words).map(escapeHtml).join('<br>');
  return [
    `<p style="border-left:4px solid ${colour};padding-left:8px">`,
    `<strong style="color:${colour}">${escapeHtml(words.state)}</strong> `,
    `<strong>${escapeHtml(words.name)}</strong> (${escapeHtml(words.severity)})<br>${details}</p>`,
  ].join('');
}

function detailsOf({ summary, condition, labels, time }: AlertWords): string[] {
  return [summary, condition, labels, time].filter((line) => line !== '');
}

function restOf({ told }: Notice): string[] {
  const left = told.length - MAX_WORDED_ALERTS;
  return left > 0 ? [`and ${left} more`] : [];
}

function footerOf({ key, atMs }: Notice): string {
  return `metrics-service, ${formatTime(atMs)}, key ${key}`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
