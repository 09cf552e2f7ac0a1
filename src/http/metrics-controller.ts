import { Controller, Get, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FieldError } from '../events/refusals.js';
import type { Dashboard } from '../queries/dashboard.js';
import { DASHBOARD_PARAMETERS, parseDashboardQuestion } from '../queries/dashboard-question.js';
import { GetDashboard } from '../queries/get-dashboard.js';
import { GetServicesHealth } from '../queries/get-services-health.js';
import { GetSummary } from '../queries/get-summary.js';
import type { ServicesHealth } from '../queries/services-health.js';
import type { Summary } from '../queries/summary.js';
import { SUMMARY_WINDOWS } from '../queries/windows.js';
import { RequireScope } from './auth/jwt-guard.js';
import { HttpContext } from './http-context.js';
import { Problem } from './problems.js';

type Parameters = Readonly<Record<string, unknown>>;

/** Answers questions about the platform. */
@Controller('metrics')
export class MetricsController {
  constructor(
    private readonly queryBus: QueryBus,
    private readonly context: HttpContext,
  ) {}

  @Get('summary')
  @RequireScope('metrics:read')
  async summary(@Query() parameters: Parameters): Promise<Summary> {
    const { window: wanted = '24h' } = readParameters(parameters, ['window']);
    const window = SUMMARY_WINDOWS.find((each) => each === wanted);
    if (window === undefined) {
      throw invalid([{ pointer: 'window', detail: `must be one of ${SUMMARY_WINDOWS.join(', ')}` }]);
    }
    return await this.queryBus.execute(new GetSummary(window));
  }

  @Get('services/health')
  @RequireScope('metrics:read')
  async servicesHealth(@Query() parameters: Parameters): Promise<ServicesHealth> {
    readParameters(parameters, []);
    return await this.queryBus.execute(new GetServicesHealth());
  }

  @Get('dashboard')
  @RequireScope('metrics:read')
  async dashboard(@Query() parameters: Parameters): Promise<Dashboard> {
    const given = readParameters(parameters, DASHBOARD_PARAMETERS);
    const question = parseDashboardQuestion(given, this.context.now(), this.context.retentionDays);
    if (!question.ok) throw invalid(question.problems);
    return await this.queryBus.execute(new GetDashboard(question.value));
  }
}

/** The parameters by name, each given at most once. A misspelt name is refused: it would be overlooked otherwise. */
function readParameters<N extends string>(parameters: Parameters, names: readonly N[]): { [P in N]?: string } {
  const found: { [P in N]?: string } = {};
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(parameters)) {
    const name = names.find((each) => each === key);
    if (name === undefined) errors.push({ pointer: key.slice(0, 100), detail: 'is no parameter of this address' });
    else if (typeof value !== 'string') errors.push({ pointer: key, detail: 'must be given once' });
    else found[name] = value;
  }
  if (errors.length > 0) throw invalid(errors);
  return found;
}

function invalid(errors: readonly FieldError[]): Problem {
  return new Problem('invalid_parameter', errors.map((error) => `${error.pointer} ${error.detail}`).join('; '), {
    errors,
  });
}
