/** One metric with all its series. */
export interface MetricFamily {
  /** A counter's ends with `_total`. */
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  readonly samples: readonly Sample[];
}

export interface Sample {
  /** `_bucket`, `_sum`, `_count`, or nothing. */
  readonly suffix: string;
  /** Of samples that stand one behind the other and have the same object, the text is made once. */
  readonly labels: Readonly<Record<string, string>>;
  /** The label that the samples of one series differ in; it stands behind the others. */
  readonly last?: readonly [label: string, value: string];
  readonly value: number;
}

/** Prometheus's text format 0.0.4, or OpenMetrics 1.0. */
export type ExpositionFormat = 'text' | 'openmetrics';

export const EXPOSITION_CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** Labels whose values are numbers, which OpenMetrics writes with a decimal point. */
const NUMERIC_LABELS: ReadonlySet<string> = new Set(['le', 'quantile']);
const COUNTER_SUFFIX = '_total';

/** Writes metrics as one document, in the order given; every family has HELP and TYPE, also without a series. */
export function renderExposition(families: readonly MetricFamily[], format: ExpositionFormat): string {
  return `${renderFamilies(families, format)}${format === 'openmetrics' ? '# EOF\n' : ''}`;
}

/** Writes metrics as a part of a document. */
export function renderFamilies(families: readonly MetricFamily[], format: ExpositionFormat): string {
  const open = format === 'openmetrics';
  let text = '';
  for (const family of families) {
    const name = open && family.type === 'counter' ? withoutTotal(family.name) : family.name;
    text += `# HELP ${name} ${escapeHelp(family.help, open)}\n# TYPE ${name} ${family.type}\n`;
    let known: Sample['labels'] | undefined;
    let ofSeries = '';
    for (const { suffix, labels, last, value } of family.samples) {
      if (labels !== known) ofSeries = renderLabels(labels, open);
      known = labels;
      text += `${family.name}${suffix}${withBraces(ofSeries, last, open)} ${renderNumber(value)}\n`;
    }
  }
  return text;
}

/** What `Registry.getMetricsAsJSON` of prom-client gives. Its kinds are numbers in its types and words at run time. */
export interface RegistryMetric {
  readonly name: string;
  readonly help: string;
  readonly type: unknown;
  readonly values?: readonly {
    readonly value: number;
    readonly labels: Readonly<Partial<Record<string, string | number>>>;
    readonly metricName?: string | undefined;
  }[];
}

/**
 * The metrics of a registry of prom-client, to be written into the same document. Rendering them here needs no second
 * content type in the registry, which would be shared by requests that go on at the same time.
 */
export function registryFamilies(metrics: readonly RegistryMetric[]): MetricFamily[] {
  return metrics.map(({ name, help, type, values }) => ({
    name,
    help,
    type: familyType(type),
    samples: (values ?? []).map(({ value, labels, metricName }) => ({
      suffix: metricName?.startsWith(name) === true ? metricName.slice(name.length) : '',
      labels: Object.fromEntries(Object.entries(labels).map(([label, text]) => [label, String(text)])),
      value,
    })),
  }));
}

function familyType(type: unknown): MetricFamily['type'] {
  return type === 'counter' || type === 'histogram' || type === 'summary' ? type : 'gauge';
}

function withoutTotal(name: string): string {
  return name.endsWith(COUNTER_SUFFIX) ? name.slice(0, -COUNTER_SUFFIX.length) : name;
}

function withBraces(ofSeries: string, last: Sample['last'], open: boolean): string {
  if (last === undefined) return ofSeries === '' ? '' : `{${ofSeries}}`;
  return `{${ofSeries}${ofSeries === '' ? '' : ','}${renderLabel(last[0], last[1], open)}}`;
}

function renderLabels(labels: Sample['labels'], open: boolean): string {
  return Object.entries(labels)
    .map(([label, value]) => renderLabel(label, value, open))
    .join(',');
}

function renderLabel(label: string, value: string, open: boolean): string {
  return `${label}="${escapeLabel(open && NUMERIC_LABELS.has(label) ? canonicalNumber(value) : value)}"`;
}

function canonicalNumber(text: string): string {
  return /^\d+$/.test(text) ? `${text}.0` : text;
}

function escapeLabel(value: string): string {
  if (!/[\\\n"]/.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

/** OpenMetrics escapes quotes in HELP, too. */
function escapeHelp(help: string, open: boolean): string {
  const escaped = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return open ? escaped.replaceAll('"', '\\"') : escaped;
}

function renderNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}
