import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DashboardSeries } from '../queries/dashboard.js';
import { DASHBOARD_PARAMETERS, parseDashboardQuestion } from '../queries/dashboard-question.js';
import { GetDashboard } from '../queries/get-dashboard.js';
import { GetServicesHealth } from '../queries/get-services-health.js';
import { GetSummary } from '../queries/get-summary.js';
import { RequireScope } from './auth/jwt-guard.js';
import { sendCsv, sendState } from './conditional-answer.js';
import { seriesToCsv } from './csv.js';
import { clockFieldsOf } from './dashboard-clock.js';
import { HttpContext } from './http-context.js';
import { invalid, type Parameters, readParameters, readWindow } from './parameters.js';
import { SERIES_NAMES } from './schemas/dashboard.js';

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
    const {
      format = 'json',
      series,
      ...given
    } = readParameters(parameters, [...DASHBOARD_PARAMETERS, 'format', 'series']);
    const csvSeries = readFormat(format, series);
    const question = parseDashboardQuestion(given, this.context.now(), this.context.retentionDays);
    if (!question.ok) throw invalid(question.problems);
    const dashboard = await this.queryBus.execute(new GetDashboard(question.value));
    if (csvSeries === undefined) sendState(request, reply, dashboard, () => clockFieldsOf(dashboard));
    else sendCsv(request, reply, seriesToCsv(dashboard.series[csvSeries]));
  }
}

/** @returns the series that is asked for as CSV; undefined for JSON. @throws Problem invalid_parameter */
function readFormat(format: string, series: string | undefined): keyof DashboardSeries | undefined {
  if (format !== 'json' && format !== 'csv') throw invalid([{ pointer: 'format', detail: 'must be json or csv' }]);
  if (format === 'json') {
    if (series === undefined) return undefined;
    throw invalid([{ pointer: 'series', detail: 'is asked for with format=csv' }]);
  }
  const name = SERIES_NAMES.find((each) => each === series);
  if (name !== undefined) return name;
  throw invalid([{ pointer: 'series', detail: `must be one of ${SERIES_NAMES.join(', ')}` }]);
}
