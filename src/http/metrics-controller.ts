import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Dashboard } from '../queries/dashboard.js';
import { DASHBOARD_PARAMETERS, parseDashboardQuestion } from '../queries/dashboard-question.js';
import { GetDashboard } from '../queries/get-dashboard.js';
import { GetServicesHealth } from '../queries/get-services-health.js';
import { GetSummary } from '../queries/get-summary.js';
import { RequireScope } from './auth/jwt-guard.js';
import { sendState } from './conditional-answer.js';
import { HttpContext } from './http-context.js';
import { invalid, type Parameters, readParameters, readWindow } from './parameters.js';

/** Answers questions about the platform; a client that has the present state already gets 304. */
@Controller('metrics')
export class MetricsController {
  constructor(
    private readonly queryBus: QueryBus,
    private readonly context: HttpContext,
  ) {}

  @Get('summary')
  @RequireScope('metrics:read')
  async summary(
    @Query() parameters: Parameters,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const window = readWindow(parameters);
    sendState(request, reply, await this.queryBus.execute(new GetSummary(window)));
  }

  @Get('services/health')
  @RequireScope('metrics:read')
  async servicesHealth(
    @Query() parameters: Parameters,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    readParameters(parameters, []);
    sendState(request, reply, await this.queryBus.execute(new GetServicesHealth()));
  }

  @Get('dashboard')
  @RequireScope('metrics:read')
  async dashboard(
    @Query() parameters: Parameters,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const given = readParameters(parameters, DASHBOARD_PARAMETERS);
    const question = parseDashboardQuestion(given, this.context.now(), this.context.retentionDays);
    if (!question.ok) throw invalid(question.problems);
    const dashboard = await this.queryBus.execute(new GetDashboard(question.value));
    sendState(request, reply, dashboard, withoutClock(dashboard));
  }
}

/** Without what changes with each millisecond: the running interval's rate, and how much of the period before is compared. */
function withoutClock({ series, comparison, ...rest }: Dashboard): object {
  const { request_rate: _rate, ...countedSeries } = series;
  return { ...rest, series: countedSeries, comparison: comparison === null ? null : comparison.numbers };
}
