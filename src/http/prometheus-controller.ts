import { timingSafeEqual } from 'node:crypto';
import { Controller, Get, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  EXPOSITION_CONTENT_TYPES,
  type ExpositionFormat,
  type MetricFamily,
  registryFamilies,
  renderExposition,
  renderFamilies,
} from '../queries/exposition.js';
import { GetPrometheus } from '../queries/get-prometheus.js';
import { GetStatus } from '../queries/get-status.js';
import { SameTurn } from '../queries/same-turn.js';
import { QueryUnavailable } from '../queries/unavailable.js';
import { bearerToken, Public, unauthorized } from './auth/jwt-guard.js';
import { chooseExposition } from './exposition-format.js';
import { HttpContext } from './http-context.js';
import { setProjectionGauges } from './projection-gauges.js';

/** What Prometheus scrapes: the platform's metrics from the log, and the service's own. */
@Controller('metrics/prometheus')
@Public()
export class PrometheusController {
  readonly #turn = new SameTurn<Buffer>();
  readonly #written = new WrittenFamilies();

  constructor(
    private readonly queryBus: QueryBus,
    private readonly context: HttpContext,
  ) {}

  @Get()
  async scrape(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<Buffer> {
    const { prometheusToken } = this.context;
    if (prometheusToken !== undefined) checkToken(request, prometheusToken);
    const format = chooseExposition(request.headers.accept);
    const document = await this.#turn.ask(format, () => this.#write(format));
    void reply.type(EXPOSITION_CONTENT_TYPES[format]);
    return document;
  }

  async #write(format: ExpositionFormat): Promise<Buffer> {
    const { metrics } = this.context;
    const [platform, status] = await Promise.all([this.#platform(), this.queryBus.execute(new GetStatus())]);
    setProjectionGauges(metrics, status.projections);
    metrics.platformReadable.set(platform === undefined ? 0 : 1);
    const own = registryFamilies(await metrics.registry.getMetricsAsJSON());
    const ownText = Buffer.from(renderExposition(own, format));
    return platform === undefined ? ownText : Buffer.concat([this.#written.bytes(platform, format), ownText]);
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

/** The platform's metrics as text, for as long as they are the same object: a megabyte where there are many series. */
class WrittenFamilies {
  readonly #text = { text: new WeakMap<object, Buffer>(), openmetrics: new WeakMap<object, Buffer>() };

  bytes(families: readonly MetricFamily[], format: ExpositionFormat): Buffer {
    const known = this.#text[format].get(families);
    if (known !== undefined) return known;
    const bytes = Buffer.from(renderFamilies(families, format));
    this.#text[format].set(families, bytes);
    return bytes;
  }
}

function checkToken(request: FastifyRequest, wanted: string): void {
  const given = Buffer.from(bearerToken(request) ?? '');
  const expected = Buffer.from(wanted);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw unauthorized('The scrape token is missing or wrong', undefined);
  }
}
