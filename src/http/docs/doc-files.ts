import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Tagged } from '../conditional-answer.js';
import { staticFile } from '../static-file.js';

/** This file is dist/src/http/docs/doc-files.js when it runs. */
const OWN_FOLDER = join(import.meta.dirname, '../../../../web/docs');
const { resolve } = createRequire(import.meta.url);
const own = (name: string): string => join(OWN_FOLDER, name);

/**
 * What may be served below /docs, /redoc and /asyncapi, by exact names: our own files and the built ones of the packages.
 *
 * @throws where one is missing
 */
export function readDocFiles(): ReadonlyMap<string, Tagged> {
  return new Map([
    ['docs', staticFile(own('swagger.html'), 'html')],
    ['docs/swagger.js', staticFile(own('swagger.js'), 'js')],
    ['docs/swagger-ui.css', staticFile(resolve('swagger-ui-dist/swagger-ui.css'), 'css')],
    ['docs/swagger-ui-bundle.js', staticFile(resolve('swagger-ui-dist/swagger-ui-bundle.js'), 'js')],
    ['docs/favicon-32x32.png', staticFile(resolve('swagger-ui-dist/favicon-32x32.png'), 'png')],
    ['redoc', staticFile(own('redoc.html'), 'html')],
    ['redoc/redoc.js', staticFile(own('redoc.js'), 'js')],
    ['redoc/redoc.css', staticFile(own('redoc.css'), 'css')],
    ['redoc/redoc.standalone.js', staticFile(resolve('redoc/bundles/redoc.standalone.js'), 'js')],
    ['asyncapi/asyncapi.css', staticFile(own('asyncapi.css'), 'css')],
  ]);
}
