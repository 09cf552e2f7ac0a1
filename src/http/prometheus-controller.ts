import { timingSafeEqual } from 'node:crypto';
import { Controller, Get, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  EXPOSITION_CONTENT_TYPES,
  type MetricFamily,
  registryFamilies,
  renderExposition,
} from '../queries/exposition.js';
import { GetPrometheus } from '../queries/get-prometheus.js';
import { GetStatus } from '../queries/get-status.js';
import { QueryUnavailable } from '../queries/unavailable.js';
import { bearerToken, Public, unauthorized } from './auth/jwt-guard.js';
import { chooseExposition } from './exposition-format.js';
import { HttpContext } from './http-context.js';
import { setProjectionGauges } from './projection-gauges.js';

/** What Prometheus scrapes: the platform's metrics from the log, and the service's own. */
@Controller('metrics/prometheus')
@Public()
export class PrometheusController {
  constructor(
    private readonly queryBus: QueryBus,
    private readonly context: HttpContext,
  ) {}

  @Get()
  async scrape(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const { prometheusToken, metrics } = this.context;
    if (prometheusToken !== undefined) checkToken(request, prometheusToken);
    const [platform, status] = await Promise.all([this.#platform(), this.queryBus.execute(new GetStatus())]);
    setProjectionGauges(metrics, status.projections);
    metrics.platformReadable.set(platform === undefined ? 0 : 1);
    const own = registryFamilies(await metrics.registry.getMetricsAsJSON());
    const format = chooseExposition(request.headers.accept);
    void reply.type(EXPOSITION_CONTENT_TYPES[format]);
    return renderExposition([...(platform ?? []), ...own], format);
  }

  /** Undefined where neither Redis nor Postgres answers: then the service's own metrics are still worth a scrape. */
  async #platform(): Promise<readonly MetricFamily[] | undefined> {
    try {
      return await this.queryBus.execute(new GetPrometheus());
    } catch (error) {
      if (error instanceof QueryUnavailable) return undefined;
      throw error;
    }
  }
}

function checkToken(request: FastifyRequest, wanted: string): void {
  const given = Buffer.from(bearerToken(request) ?? '');
  const expected = Buffer.from(wanted);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw unauthorized('The scrape token is missing or wrong', undefined);
  }
}
