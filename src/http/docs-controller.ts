import { Controller, Get, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { readVersion } from '../version.js';
import { Public } from './auth/jwt-guard.js';
import { sendTagged } from './conditional-answer.js';
import { openApiDocument } from './openapi.js';
import { staticContent } from './static-file.js';

/** Descriptions of the API, for people and programs. */
@Controller()
@Public()
export class DocsController {
  readonly #openApi = staticContent(JSON.stringify(openApiDocument(readVersion())), 'json');

  @Get('openapi.json')
  openApi(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    sendTagged(request, reply, this.#openApi);
  }
}
