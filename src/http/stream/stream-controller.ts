import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { identityOf, RequireScope } from '../auth/jwt-guard.js';
import { HttpContext } from '../http-context.js';
import { type Parameters, readWindow } from '../parameters.js';
import { SummaryStreams } from './summary-streams.js';

/** The summary as server-sent events. What is refused is refused before the stream begins, as on every other route. */
@Controller('metrics/stream')
export class StreamController {
  constructor(
    private readonly streams: SummaryStreams,
    private readonly context: HttpContext,
  ) {}

  @Get()
  @RequireScope('metrics:read')
  stream(@Query() parameters: Parameters, @Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const window = readWindow(parameters);
    this.streams.admit();
    if (request.method === 'HEAD') {
      void reply.header('content-type', 'text/event-stream; charset=utf-8').header('cache-control', 'no-cache').send();
      return;
    }
    const lastEventId = request.headers['last-event-id'];
    // From here on the response is the stream's; Fastify must not end it when this returns.
    reply.hijack();
    this.streams.open(reply.raw, {
      window,
      lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined,
      lifetimeMs: identityOf(request).expiresAtMs - this.context.now(),
    });
  }
}
