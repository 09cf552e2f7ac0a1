import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Controller, Get } from '@nestjs/common';
import { Public } from './auth/jwt-guard.js';
import { openApiDocument } from './openapi.js';

/** The version in package.json. This file is dist/src/http/docs-controller.js when it runs. */
function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8'));
  const version = typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : '';
  return String(version);
}

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
