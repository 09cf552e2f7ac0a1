import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Controller, Get, Header, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Public } from './auth/jwt-guard.js';

/** This file is dist/src/http/page-controller.js when it runs. */
const FOLDER = join(import.meta.dirname, '../../../web');
const read = (name: string): Buffer => readFileSync(join(FOLDER, name));

/** The page may load and ask nothing but this service, and stand in no frame. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The page to look at. It is public; the numbers that it shows ask for a token. */
@Controller()
@Public()
export class PageController {
  readonly #page = read('index.html');
  readonly #script = read('page.js');
  readonly #style = read('page.css');

  @Get()
  @Header('content-security-policy', POLICY)
  @Header('referrer-policy', 'no-referrer')
  page(@Res() reply: FastifyReply): void {
    send(reply, 'text/html; charset=utf-8', this.#page);
  }

  @Get('page.js')
  script(@Res() reply: FastifyReply): void {
    send(reply, 'text/javascript; charset=utf-8', this.#script);
  }

  @Get('page.css')
  style(@Res() reply: FastifyReply): void {
    send(reply, 'text/css; charset=utf-8', this.#style);
  }
}

function send(reply: FastifyReply, contentType: string, body: Buffer): void {
  void reply.header('content-type', contentType).send(body);
}
