import { Controller, Get } from '@nestjs/common';
import { readVersion } from '../version.js';
import { Public } from './auth/jwt-guard.js';
import { openApiDocument } from './openapi.js';

/** Descriptions of the API, for people and programs. */
@Controller()
@Public()
export class DocsController {
  readonly #openApi = openApiDocument(readVersion());

  @Get('openapi.json')
  openApi(): Readonly<Record<string, unknown>> {
    return this.#openApi;
  }
}
