import { Controller, Get, Header, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from './auth/jwt-guard.js';
import { sendTagged } from './conditional-answer.js';
import { chooseCoding, type PageFile, readPageFiles } from './page-files.js';
import { Problem } from './problems.js';

/** The page may load and ask nothing but this service, run nothing but its files, and stand in no frame. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The page to look at, built from web/page. It is public; the numbers that it shows ask for a token. */
@Controller()
@Public()
export class PageController {
  readonly #files = readPageFiles();

  @Get()
  @Header('content-security-policy', POLICY)
  page(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    send(request, reply, this.#files.page);
  }

  @Get('assets/:name')
  asset(@Param('name') name: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const file = this.#files.assets.get(name);
    if (file === undefined) throw new Problem('not_found', 'No such address or method');
    send(request, reply, file);
  }
}

/** In the smallest form that the client takes. */
function send(request: FastifyRequest, reply: FastifyReply, { plain, coded }: PageFile): void {
  const accepted = request.headers['accept-encoding'];
  const coding = chooseCoding(typeof accepted === 'string' ? accepted : undefined, coded);
  const file = coding === undefined ? undefined : coded.get(coding);
  if (coded.size > 0) void reply.header('vary', 'accept-encoding');
  if (coding !== undefined && file !== undefined) void reply.header('content-encoding', coding);
  sendTagged(request, reply, file ?? plain);
}
