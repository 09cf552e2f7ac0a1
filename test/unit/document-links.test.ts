import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const ROOT = join(import.meta.dirname, '../../..');
const FENCE = /^ *```.*?^ *```$/gms;

const test = suite('links of the documents');

const folders = ['docs', 'web', 'config', 'bench', 'src', 'test'];
const documents = [
  ...readdirSync(ROOT),
  ...folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  ),
].filter((name) => name.endsWith('.md') && !name.includes('node_modules'));

function read(name: string): string {
  return readFileSync(join(ROOT, name), 'utf8').replaceAll(FENCE, '');
}

/** The anchors that GitHub gives to the headings. */
function anchorsOf(name: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of read(name).matchAll(/^#+ (.+)$/gm)) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = text.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-');
    let unique = anchor;
    for (let count = 1; anchors.has(unique); count += 1) unique = `${anchor}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}

/** What is wrong with where a link within the project leads; undefined where nothing is. */
function trouble(document: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? document : join(dirname(document), decodeURIComponent(path));
  if (relative('', target).startsWith('..')) return 'leads out of the project';
  if (!existsSync(join(ROOT, target))) return 'is not there';
  if (anchor === undefined) return undefined;
  if (statSync(join(ROOT, target)).isDirectory() || !target.endsWith('.md')) return 'has no headings';
  return anchorsOf(target).has(anchor) ? undefined : 'has no such heading';
}

test('lead to files and headings that are there', () => {
  assert.ok(documents.length > 20);
  let links = 0;
  const wrong = documents.flatMap((document) =>
    Array.from(read(document).matchAll(/\]\(([^)\s]+)\)/g), ([, link = '']) => link)
      .filter((link) => !/^[a-z]+:/.test(link))
      .flatMap((link) => {
        links += 1;
        const found = trouble(document, link);
        return found === undefined ? [] : [`${document}: ${link} ${found}`];
      }),
  );
  assert.equal(wrong, []);
  assert.ok(links > 50, `${links} links`);
});

test('every document is linked to by another', () => {
  const linked = new Set(
    documents.flatMap((document) =>
      Array.from(read(document).matchAll(/\]\(([^)\s#]+)/g), ([, link = '']) => join(dirname(document), link)).filter(
        (target) => target !== document,
      ),
    ),
  );
  // GitHub shows these by themselves.
  const shown = ['README.md', 'CHANGELOG.md'];
  assert.equal(
    documents.filter((document) => !shown.includes(document) && !linked.has(document)),
    [],
  );
});

test.run();
