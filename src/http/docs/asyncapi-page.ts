import type { AsyncApiChannel, AsyncApiDocument, AsyncApiMessage } from './asyncapi.js';

/** The AsyncAPI document as a page for people: plain HTML, which needs no script. */
export function renderAsyncApi(document: AsyncApiDocument): string {
  const { info, channels, components } = document;
  const sections = Object.values(channels).map((channel) => renderChannel(channel, components.messages));
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${escapeHtml(info.title)}: events over NATS</title>
    <link rel="icon" href="/docs/favicon-32x32.png" type="image/png">
    <link rel="stylesheet" href="/asyncapi/asyncapi.css">
  </head>
  <body>
    <h1>${escapeHtml(info.title)} ${escapeHtml(info.version)}: events over NATS</h1>
    <p>${escapeHtml(info.description)} For programs: <a href="/asyncapi.json">/asyncapi.json</a>, AsyncAPI ${document.asyncapi}.</p>
    ${sections.join('\n')}
  </body>
</html>
`;
}

function renderChannel(channel: AsyncApiChannel, messages: AsyncApiDocument['components']['messages']): string {
  const { stream, keeps, deduplicates } = channel['x-jetstream'];
  const parameters = Object.entries(channel.parameters ?? {}).map(
    ([name, { description, enum: values }]): [string, string] => [
      `{${name}}`,
      values === undefined ? description : `${description}: ${values.join(', ')}`,
    ],
  );
  const facts: [string, string][] = [
    ...parameters,
    ['Stream', stream],
    ['Keeps', keeps],
    ['Deduplicates', deduplicates],
  ];
  const found = Object.keys(channel.messages).flatMap((name) => messages[name] ?? []);
  return `<section>
      <h2><code>${escapeHtml(channel.address)}</code></h2>
      <p>${escapeHtml(channel.title)}. ${escapeHtml(channel.description)}</p>
      ${table(facts)}
      ${found.map(renderMessage).join('\n')}
    </section>`;
}

function renderMessage({ title, summary, contentType, headers, payload, examples }: AsyncApiMessage): string {
  const shown = examples.map(
    ({ name, headers, payload }) => `<p>Example: ${escapeHtml(name)}</p>
      <pre>${escapeHtml(exampleText(headers, payload))}</pre>`,
  );
  return `<h3>${escapeHtml(title)}</h3>
      <p>${escapeHtml(summary)} (<code>${escapeHtml(contentType)}</code>)</p>
      ${renderFields('Header', headers)}
      ${renderFields('Field', payload)}
      ${shown.join('\n')}`;
}

function exampleText(headers: Readonly<Record<string, unknown>> = {}, payload: unknown): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload, null, 2);
  return [...lines, ...(lines.length > 0 ? [''] : []), body].join('\n');
}

/** The properties of an object's schema, a row each. */
function renderFields(kind: string, schema: Readonly<Record<string, unknown>>): string {
  const { properties, required } = schema;
  if (typeof properties !== 'object' || properties === null) return '';
  const isRequired = (name: string): boolean => Array.isArray(required) && required.includes(name);
  const rows = Object.entries(properties).map(([name, field]: [string, unknown]): [string, string, string] => [
    isRequired(name) ? `${name} (required)` : name,
    describeType(field),
    textOf(field, 'description'),
  ]);
  return table([[kind, 'Type', 'Meaning'], ...rows], true);
}

/** A schema's type with its limits, in short. */
function describeType(field: unknown): string {
  if (typeof field !== 'object' || field === null) return '';
  if ('anyOf' in field && Array.isArray(field.anyOf)) return field.anyOf.map(describeType).join(' or ');
  if ('const' in field) return JSON.stringify(field.const);
  if ('enum' in field && Array.isArray(field.enum)) return field.enum.join(', ');
  const limits = ['pattern', 'format', 'minimum', 'maximum', 'maxLength'].flatMap((name) =>
    name in field ? [`${name} ${textOf(field, name)}`] : [],
  );
  return [textOf(field, 'type'), ...limits].join(', ');
}

function textOf(field: unknown, name: string): string {
  const value: unknown = typeof field === 'object' && field !== null ? Reflect.get(field, name) : undefined;
  return value === undefined ? '' : String(value);
}

function table(rows: readonly (readonly string[])[], hasHead = false): string {
  const row = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${prose(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>${rows.map((cells, index) => row(cells, hasHead && index === 0 ? 'th' : 'td')).join('')}</table>`;
}

/** Text for people: what stands between backticks is code. */
function prose(text: string): string {
  return escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>');
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}
