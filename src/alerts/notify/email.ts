import { createTransport, type Transporter } from 'nodemailer';
import type { Logger } from '../../telemetry/logger.js';
import { emailHtml, emailText } from './email-text.js';
import type { Notice } from './notice.js';
import type { NoticeSender, SendOutcome } from './sender.js';
import { hasControlCharacters, oneLine, titleOf } from './wording.js';

export interface EmailOptions {
  /** `smtp://user:password@host:587`, `smtps://…`; it is a secret. */
  readonly smtpUrl: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly timeoutMs: number;
  readonly logger: Logger;
}

/** Tells people by email, over one SMTP server. */
export class EmailSender implements NoticeSender {
  readonly channel = 'email';
  readonly #transport: Transporter;
  readonly #to: readonly string[];

  constructor(private readonly options: EmailOptions) {
    const { smtpUrl, to, timeoutMs, logger } = options;
    this.#to = to.filter((address) => !hasControlCharacters(address));
    if (this.#to.length < to.length) {
      logger.error(
        { refused: to.length - this.#to.length },
        'A recipient of emails has a line break in it and is left out',
      );
    }
    this.#transport = createTransport({
      url: smtpUrl,
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      dnsTimeout: timeoutMs,
      // A text is a text: nothing in it is a path or an address to be read.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  async send(notice: Notice, signal: AbortSignal): Promise<SendOutcome> {
    if (this.#to.length === 0) return { kind: 'retry', reason: 'no_recipient' };
    this.#tellOfControlCharacters(notice);
    const done = new AbortController();
    const sending = this.#transport.sendMail(mailOf(notice, this.options.from, this.#to));
    try {
      const info = await Promise.race([sending, aborted(signal, done.signal)]);
      if (info === 'aborted') return { kind: 'retry', reason: 'aborted' };
      const refused = info.rejected?.length ?? 0;
      if (refused > 0) this.options.logger.warn({ refused }, 'The SMTP server refused some of the recipients');
      return { kind: 'sent' };
    } catch (error) {
      return outcomeOf(error);
    } finally {
      done.abort();
      // What is left to itself must not end the process when it fails.
      sending.catch(() => undefined);
    }
  }

  close(): void {
    this.#transport.close();
  }

  #tellOfControlCharacters({ key, told }: Notice): void {
    const found = told.find(({ alert }) =>
      [alert.name, alert.summary, ...Object.values(alert.labels)].some(hasControlCharacters),
    );
    if (found === undefined) return;
    this.options.logger.warn(
      { key, alert: oneLine(found.alert.id) },
      'An alert has line breaks in its text: they became spaces',
    );
  }
}

/** The message as nodemailer takes it. Subject and addresses are one line each, whatever an alert says. */
export function mailOf(notice: Notice, from: string, to: readonly string[]) {
  return {
    from: oneLine(from),
    to: [...to],
    subject: titleOf(notice),
    // The same on every try: who gets it twice, sees it once.
    messageId: `<${notice.key}@${domainOf(from)}>`,
    date: new Date(notice.atMs),
    headers: {
      'X-Metrics-Notification': notice.key,
      // Out-of-office answers and the like stay away.
      'Auto-Submitted': 'auto-generated',
    },
    text: emailText(notice),
    html: emailHtml(notice),
  };
}

function domainOf(from: string): string {
  return /@([A-Za-z0-9.-]+)/.exec(from)?.[1] ?? 'metrics-service';
}

/** A reason made of the codes of nodemailer and SMTP; its messages may name host and user. */
function outcomeOf(error: unknown): SendOutcome {
  const { code, responseCode } = codesOf(error);
  // Past the envelope a permanent answer is about this very message.
  if (code === 'EMESSAGE' && responseCode !== undefined && responseCode >= 500) {
    return { kind: 'rejected', reason: `smtp_${responseCode}` };
  }
  if (responseCode !== undefined) return { kind: 'retry', reason: `smtp_${responseCode}` };
  return { kind: 'retry', reason: REASONS[code] ?? 'smtp_failed' };
}

const REASONS: Readonly<Record<string, string>> = {
  ETIMEDOUT: 'timeout',
  ECONNECTION: 'connection_failed',
  ESOCKET: 'connection_failed',
  ECONNREFUSED: 'connection_refused',
  EDNS: 'name_not_found',
  EAUTH: 'login_refused',
  ETLS: 'tls_failed',
};

function codesOf(error: unknown): { code: string; responseCode: number | undefined } {
  if (typeof error !== 'object' || error === null) return { code: '', responseCode: undefined };
  return {
    code: 'code' in error && typeof error.code === 'string' ? error.code : '',
    responseCode: 'responseCode' in error && typeof error.responseCode === 'number' ? error.responseCode : undefined,
  };
}

/** @param done takes the listener away: the signal lives longer than the try */
function aborted(signal: AbortSignal, done: AbortSignal): Promise<'aborted'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('aborted');
    else signal.addEventListener('abort', () => resolve('aborted'), { once: true, signal: done });
  });
}
