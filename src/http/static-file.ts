import { readFileSync } from 'node:fs';
import type { Tagged } from './conditional-answer.js';
import { strongTag } from './entity-tag.js';

const CONTENT_TYPES = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  json: 'application/json; charset=utf-8',
  png: 'image/png',
  svg: 'image/svg+xml',
  woff2: 'font/woff2',
} as const;

/** Bytes that are the same for everybody; whoever has them asks each time whether they still are. */
export function staticContent(body: string | Buffer, type: keyof typeof CONTENT_TYPES): Tagged {
  return { body, contentType: CONTENT_TYPES[type], tag: strongTag(body), cacheControl: 'public, no-cache' };
}

/** @throws where the file cannot be read */
export function staticFile(path: string, type: keyof typeof CONTENT_TYPES): Tagged {
  return staticContent(readFileSync(path), type);
}
