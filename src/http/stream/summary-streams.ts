import type { ServerResponse } from 'node:http';
import type { OnModuleDestroy } from '@nestjs/common';
import type { Summary } from '../../queries/summary.js';
import { QueryUnavailable, within } from '../../queries/unavailable.js';
import type { SummaryWindow } from '../../queries/windows.js';
import type { Logger } from '../../telemetry/logger.js';
import { stateOf } from '../entity-tag.js';
import { toProblem } from '../problem-filter.js';
import { Problem } from '../problems.js';
import { ClientStream, type ClientStreamOptions, frame } from './client-stream.js';
import { type PolledState, StatePoller } from './state-poller.js';

export interface SummaryStreamsOptions extends ClientStreamOptions {
  /** Of all windows together, in this process. */
  readonly maxStreams: number;
  /** Between the beginnings of two questions about the same window. */
  readonly pollIntervalMs: number;
}

export const SUMMARY_STREAMS_DEFAULTS: SummaryStreamsOptions = {
  maxStreams: 1_000,
  pollIntervalMs: 1_000,
  heartbeatIntervalMs: 15_000,
  slowClientTimeoutMs: 30_000,
  retryMs: 3_000,
};

const RETRY_AFTER_SECONDS = '10';
/** Whoever answers has bounds of its own; this one keeps a window's clients from waiting for an answer that never comes. */
const ASK_TIMEOUT_MS = 10_000;

export interface StreamRequest {
  readonly window: SummaryWindow;
  /** The state that the client has already, if it has one. */
  readonly lastEventId: string | undefined;
  /** How long the client's token is still good. */
  readonly lifetimeMs: number;
}

/** All clients of `GET /metrics/stream`: how many there may be, one poller for each window, and the end of all. */
export class SummaryStreams implements OnModuleDestroy {
  readonly #streams = new Set<ClientStream>();
  readonly #pollers = new Map<SummaryWindow, StatePoller>();
  #isStopping = false;

  constructor(
    private readonly ask: (window: SummaryWindow) => Promise<Summary>,
    private readonly logger: Logger,
    private readonly options: SummaryStreamsOptions = SUMMARY_STREAMS_DEFAULTS,
  ) {}

  get size(): number {
    return this.#streams.size;
  }

  /** @throws Problem where no further stream may begin; called before anything of the answer is sent */
  admit(): void {
    if (this.#isStopping) throw new Problem('stopping', 'Connect again in a moment');
    if (this.#streams.size < this.options.maxStreams) return;
    throw new Problem('too_many_streams', `At most ${this.options.maxStreams} streams go on at a time`, {
      headers: { 'retry-after': RETRY_AFTER_SECONDS },
    });
  }

  /** Begins to stream the window's summaries into a response that nobody else writes to. */
  open(response: ServerResponse, { window, lastEventId, lifetimeMs }: StreamRequest): void {
    // The client went away while its token was looked at; nobody would tell of it any more.
    if (response.destroyed) return;
    let known = lastEventId;
    let leave = (): void => undefined;
    const stream = new ClientStream(response, this.options, lifetimeMs, () => {
      leave();
      this.#streams.delete(stream);
    });
    this.#streams.add(stream);
    leave = this.#pollerOf(window).listen(({ id, frame }) => {
      if (id === undefined || id !== known) stream.send(frame);
      // Only the first state can be one that the client has from before.
      known = undefined;
    });
  }

  /** Ends every stream. Nest calls it before it closes the server, which would wait for them. */
  onModuleDestroy(): void {
    this.#isStopping = true;
    for (const stream of this.#streams) stream.end();
  }

  #pollerOf(window: SummaryWindow): StatePoller {
    const known = this.#pollers.get(window);
    if (known !== undefined) return known;
    const poller = new StatePoller(() => this.#poll(window), this.options.pollIntervalMs);
    this.#pollers.set(window, poller);
    return poller;
  }

  async #poll(window: SummaryWindow): Promise<PolledState> {
    try {
      const json = JSON.stringify(
        await within(ASK_TIMEOUT_MS, this.ask(window), () => new QueryUnavailable('No answer in time')),
      );
      const id = stateOf(json);
      return { id, frame: frame('summary', json, id) };
    } catch (error) {
      const problem = toProblem(error);
      if (problem.problem === 'internal_error') this.logger.error({ err: error }, 'A summary for streams failed');
      return { id: undefined, frame: frame('unavailable', JSON.stringify(problem.toBody())) };
    }
  }
}
