import { Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AcknowledgeAlert } from '../commands/acknowledge-alert.js';
import { EndSilence } from '../commands/end-silence.js';
import { MAX_SILENCES, SilenceAlerts } from '../commands/silence-alerts.js';
import { parseDashboardRange } from '../queries/dashboard-range.js';
import { GetAlerts, GetSilences } from '../queries/get-alerts.js';
import type { Unavailable } from '../stream/append.js';
import { identityOf, RequireScope } from './auth/jwt-guard.js';
import { sendState } from './conditional-answer.js';
import { HttpContext } from './http-context.js';
import { invalid, type Parameters, readParameters } from './parameters.js';
import { Problem } from './problems.js';
import { readAcknowledgement, readSilence } from './read-alert-body.js';

const STATUSES = ['firing', 'resolved'] as const;
/** How long METRICS_ALERTS keeps what has fired. */
const KEPT_DAYS = 365;

export interface AcknowledgedAnswer {
  /** The alert. */
  readonly id: string;
  readonly by: string;
  readonly at: string;
  readonly comment: string;
}

export interface SilencedAnswer {
  readonly id: string;
  readonly by: string;
  readonly at: string;
  readonly comment: string;
  readonly matchers: Readonly<Record<string, string>>;
  /** Null: until the alerts that fire now have resolved. */
  readonly until: string | null;
}

/** What fires and has fired, and what people do about it. */
@Controller('metrics/alerts')
export class AlertsController {
  constructor(
    private readonly queryBus: QueryBus,
    private readonly commandBus: CommandBus,
    private readonly context: HttpContext,
  ) {}

  @Get()
  @RequireScope('metrics:read')
  async alerts(
    @Query() parameters: Parameters,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { status: given, ...edges } = readParameters(parameters, ['status', 'from', 'to']);
    const status = STATUSES.find((each) => each === given);
    if (given !== undefined && status === undefined) {
      throw invalid([{ pointer: 'status', detail: `must be one of ${STATUSES.join(', ')}` }]);
    }
    const range = parseDashboardRange(edges, this.context.now(), KEPT_DAYS);
    if (!range.ok) throw invalid(range.problems);
    const { fromMs, toMs } = range.value;
    const answer = await this.queryBus.execute(new GetAlerts({ status, fromMs, toMs }));
    // A relative range moves with the clock.
    sendState(request, reply, answer, () => [`"from":"${answer.from}","to":"${answer.to}",`]);
  }

  @Get('silences')
  @RequireScope('metrics:read')
  async silences(
    @Query() parameters: Parameters,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    readParameters(parameters, []);
    sendState(request, reply, await this.queryBus.execute(new GetSilences()));
  }

  @Post(':id/ack')
  @HttpCode(200)
  @RequireScope('metrics:write')
  async acknowledge(@Param('id') id: string, @Req() request: FastifyRequest): Promise<AcknowledgedAnswer> {
    const { comment } = await readAcknowledgement(request);
    const by = identityOf(request).subject;
    const outcome = await this.commandBus.execute(new AcknowledgeAlert(id, by, comment, this.context.now()));
    switch (outcome.kind) {
      case 'acknowledged':
        return { id, by: outcome.first.by, at: outcome.first.at, comment: outcome.first.comment };
      case 'unknown_alert':
        throw new Problem('not_found', 'There is no such alert');
      case 'resolved_already':
        throw new Problem('alert_resolved', 'What has resolved needs nobody any more');
      case 'unavailable':
        throw notStored(outcome);
    }
  }

  @Post('silences')
  @HttpCode(201)
  @RequireScope('metrics:write')
  async silence(@Req() request: FastifyRequest): Promise<SilencedAnswer> {
    const nowMs = this.context.now();
    const { matchers, untilMs, comment } = await readSilence(request, nowMs);
    const by = identityOf(request).subject;
    const outcome = await this.commandBus.execute(new SilenceAlerts(matchers, untilMs, by, comment, nowMs));
    switch (outcome.kind) {
      case 'silenced': {
        const { id, at, until } = outcome.action;
        return { id, by, at, comment, matchers, until };
      }
      case 'nothing_fires':
        throw new Problem('nothing_fires', 'No alert with these labels fires; name a time instead');
      case 'too_many_silences':
        throw new Problem('too_many_silences', `${MAX_SILENCES} hold already`);
      case 'unavailable':
        throw notStored(outcome);
    }
  }

  @Delete('silences/:id')
  @HttpCode(204)
  @RequireScope('metrics:write')
  async endSilence(@Param('id') id: string, @Req() request: FastifyRequest): Promise<void> {
    const by = identityOf(request).subject;
    const outcome = await this.commandBus.execute(new EndSilence(id, by, this.context.now()));
    if (outcome.kind === 'unknown_silence') throw new Problem('not_found', 'There is no such silence');
    if (outcome.kind === 'unavailable') throw notStored(outcome);
  }
}

function notStored({ reason, retryAfterSeconds }: Unavailable): Problem {
  return new Problem('log_unavailable', 'Not stored for certain; look at the alerts, and send it again', {
    reason,
    headers: { 'retry-after': String(retryAfterSeconds) },
  });
}
