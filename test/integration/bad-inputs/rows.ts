import type { RefusalReason } from '../../../src/events/refusals.js';
import type { ProblemName } from '../../../src/http/problems.js';
import type { Answer } from '../../support/service.js';
import type { BadInputStage, Message } from './stage.js';

/** The number of a row in docs/faults.md, under "Bad inputs". */
export type Row = `B${number}`;

export interface OverHttp {
  readonly row: Row;
  readonly name: string;
  readonly send: (stage: BadInputStage) => Promise<Answer>;
  /** More than one where the row leaves the choice. */
  readonly problems: readonly ProblemName[];
  /** The named reason, where the answer has one. */
  readonly reason?: RefusalReason;
}

export interface OverNats {
  readonly row: Row;
  readonly name: string;
  readonly message: () => Message;
  /** Why it is a dead letter. */
  readonly reason: RefusalReason;
}

/** What is checked by its own code, between neighbours as well. */
export interface Special {
  readonly row: Row;
  readonly name: string;
  readonly way: 'http' | 'nats';
  readonly check: (stage: BadInputStage) => Promise<void>;
}

const JSON_TYPE = { 'content-type': 'application/json' } as const;

/** A body that is posted, as one event unless another path is named. */
export function posted(
  row: Row,
  name: string,
  body: string | Buffer,
  problem: ProblemName | readonly ProblemName[],
  options: {
    readonly reason?: RefusalReason;
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): OverHttp {
  const { reason, path = '/metrics/events', headers = {} } = options;
  return {
    row,
    name,
    send: (stage) => stage.client.send('POST', path, body, { ...JSON_TYPE, ...headers }),
    problems: typeof problem === 'string' ? [problem] : problem,
    ...(reason === undefined ? {} : { reason }),
  };
}

/** A message below `metrics.events.user.login`, unless another subject is named. */
export function published(
  row: Row,
  name: string,
  payload: string | Uint8Array | (() => string),
  reason: RefusalReason,
  options: Partial<Message> = {},
): OverNats {
  const message = (): Message => ({
    subject: 'metrics.events.user.login',
    payload: typeof payload === 'function' ? payload() : payload,
    ...options,
  });
  return { row, name, message, reason };
}

/** The same body both ways: a problem with this reason, and a dead letter with it. */
export function bothWays(
  row: Row,
  name: string,
  body: string | Buffer | (() => string),
  reason: RefusalReason,
  problem: ProblemName = 'invalid_event',
): readonly [OverHttp, OverNats] {
  const made = (): string | Buffer => (typeof body === 'function' ? body() : body);
  const overHttp: OverHttp = {
    row,
    name,
    send: (stage) => stage.client.send('POST', '/metrics/events', made(), JSON_TYPE),
    problems: [problem],
    reason,
  };
  return [overHttp, { row, name, message: () => ({ subject: 'metrics.events.user.login', payload: made() }), reason }];
}
