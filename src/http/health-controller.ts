import { Controller, Get, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { GetStatus, type OperationalStatus } from '../queries/get-status.js';
import { Public } from './auth/jwt-guard.js';

/** Liveness and readiness, for whoever runs the service. */
@Controller('health')
@Public()
export class HealthController {
  constructor(private readonly queryBus: QueryBus) {}

  /** The process answers. */
  @Get()
  alive(): { readonly status: 'ok' } {
    return { status: 'ok' };
  }

  /** Whether the service can do its work: 503 where it cannot. */
  @Get('detailed')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<OperationalStatus> {
    const status = await this.queryBus.execute(new GetStatus());
    void reply.code(status.status === 'down' ? 503 : 200);
    return status;
  }
}
