import { Controller, Get, Header, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { readVersion } from '../../version.js';
import { Public } from '../auth/jwt-guard.js';
import { sendTagged } from '../conditional-answer.js';
import { openApiDocument } from '../openapi/document.js';
import { Problem } from '../problems.js';
import { staticContent } from '../static-file.js';
import { asyncApiDocument } from './asyncapi.js';
import { renderAsyncApi } from './asyncapi-page.js';
import { readDocFiles } from './doc-files.js';

const policy = (style: string): string =>
  `default-src 'none'; script-src 'self'; style-src ${style}; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
const SWAGGER_PAGE = policy("'self'");
/** ReDoc writes styles into its page as it draws it, and draws nothing where it may not. */
const REDOC_PAGE = policy("'self' 'unsafe-inline'");
const PLAIN_PAGE =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Descriptions of the API, for people and programs. Everything comes from this process, nothing from another host. */
@Controller()
@Public()
export class DocsController {
  readonly #openApi = staticContent(JSON.stringify(openApiDocument(readVersion())), 'json');
  readonly #asyncApi = staticContent(JSON.stringify(asyncApiDocument(readVersion())), 'json');
  readonly #asyncApiPage = staticContent(renderAsyncApi(asyncApiDocument(readVersion())), 'html');
  readonly #files = readDocFiles();

  @Get('openapi.json')
  openApi(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    sendTagged(request, reply, this.#openApi);
  }

  @Get('asyncapi.json')
  asyncApi(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    sendTagged(request, reply, this.#asyncApi);
  }

  @Get('asyncapi')
  @Header('content-security-policy', PLAIN_PAGE)
  asyncApiPage(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    sendTagged(request, reply, this.#asyncApiPage);
  }

  @Get('docs')
  @Header('content-security-policy', SWAGGER_PAGE)
  swagger(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.#send('docs', request, reply);
  }

  @Get('redoc')
  @Header('content-security-policy', REDOC_PAGE)
  redoc(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.#send('redoc', request, reply);
  }

  @Get('docs/:name')
  swaggerFile(@Param('name') name: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.#send(`docs/${name}`, request, reply);
  }

  @Get('redoc/:name')
  redocFile(@Param('name') name: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.#send(`redoc/${name}`, request, reply);
  }

  @Get('asyncapi/:name')
  asyncApiFile(@Param('name') name: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.#send(`asyncapi/${name}`, request, reply);
  }

  #send(path: string, request: FastifyRequest, reply: FastifyReply): void {
    const file = this.#files.get(path);
    if (file === undefined) throw new Problem('not_found', 'No such address or method');
    sendTagged(request, reply, file);
  }
}
