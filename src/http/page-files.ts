import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Tagged } from './conditional-answer.js';
import { staticContent } from './static-file.js';

/** This file is dist/src/http/page-files.js when it runs. */
const FOLDER = join(import.meta.dirname, '../../page');

const CONTENT_TYPES: Readonly<Record<string, 'html' | 'js' | 'css' | 'svg' | 'woff2'>> = {
  '.html': 'html',
  '.js': 'js',
  '.css': 'css',
  '.svg': 'svg',
  '.woff2': 'woff2',
};

/** The content codings that files were built in (`scripts/build-page.mjs`), the smallest first. */
const CODINGS = [
  { name: 'br', suffix: '.br' },
  { name: 'gzip', suffix: '.gz' },
] as const;
export type Coding = (typeof CODINGS)[number]['name'];

/** A file as it is, and in the codings that it was built in. */
export interface PageFile {
  readonly plain: Tagged;
  readonly coded: ReadonlyMap<Coding, Tagged>;
}

export interface PageFiles {
  readonly page: PageFile;
  /** What the page loads, by names that hold a hash of their bytes. */
  readonly assets: ReadonlyMap<string, PageFile>;
}

/** The name holds the content's hash, so whoever has it never needs to ask again. */
const FOREVER = 'public, max-age=31536000, immutable';

/** Reads all files of the built page. @throws where it was not built */
export function readPageFiles(): PageFiles {
  const index = join(FOLDER, 'index.html');
  if (!existsSync(index)) throw new Error(`The page is not built (no ${index}): npm run build`);
  const folder = join(FOLDER, 'assets');
  const names = readdirSync(folder).filter((name) => extname(name) in CONTENT_TYPES);
  return {
    page: readPageFile(index, {}),
    assets: new Map(names.map((name) => [name, readPageFile(join(folder, name), { cacheControl: FOREVER })])),
  };
}

function readPageFile(path: string, caching: Partial<Tagged>): PageFile {
  const type = CONTENT_TYPES[extname(path)];
  if (type === undefined) throw new Error(`${path} has no content type`);
  const read = (suffix: string): Tagged => ({ ...staticContent(readFileSync(path + suffix), type), ...caching });
  const built = CODINGS.filter(({ suffix }) => existsSync(path + suffix));
  return { plain: read(''), coded: new Map(built.map(({ name, suffix }) => [name, read(suffix)])) };
}

/**
 * The first of our codings that `Accept-Encoding` names and does not refuse with q=0; undefined for none. We prefer the
 * smallest ourselves: the client's weights are about its effort, and it is the same for these.
 */
export function chooseCoding(
  acceptEncoding: string | undefined,
  available: ReadonlyMap<Coding, unknown>,
): Coding | undefined {
  const accepted = (acceptEncoding ?? '').split(',').flatMap((each) => {
    const [name = '', ...parameters] = each.split(';').map((part) => part.trim().toLowerCase());
    return parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter)) ? [] : [name];
  });
  return CODINGS.map(({ name }) => name).find((name) => available.has(name) && accepted.includes(name));
}
