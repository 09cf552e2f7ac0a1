import { join } from 'node:path';
import { Controller, Get, Header, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from './auth/jwt-guard.js';
import { sendTagged } from './conditional-answer.js';
import { staticFile } from './static-file.js';

/** This file is dist/src/http/page-controller.js when it runs. */
const FOLDER = join(import.meta.dirname, '../../../web');

/** The page may load and ask nothing but this service, and stand in no frame. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The page to look at. It is public; the numbers that it shows ask for a token. */
@Controller()
@Public()
export class PageController {
  readonly #page = staticFile(join(FOLDER, 'index.html'), 'html');
  readonly #script = staticFile(join(FOLDER, 'page.js'), 'js');
  readonly #style = staticFile(join(FOLDER, 'page.css'), 'css');

  @Get()
  @Header('content-security-policy', POLICY)
  @Header('referrer-policy', 'no-referrer')
  page(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    sendTagged(request, reply, this.#page);
  }

  @Get('page.js')
  script(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    sendTagged(request, reply, this.#script);
  }

  @Get('page.css')
  style(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    sendTagged(request, reply, this.#style);
  }
}
