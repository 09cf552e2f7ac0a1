import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../../../config/grafana/dashboards');

/** What the tests look at of one of Grafana's dashboards. */
export interface GrafanaDashboard {
  readonly uid: string;
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: string | { query: string } }[];
  };
}

/** Those of config/grafana. */
export function readDashboards(): GrafanaDashboard[] {
  return readdirSync(FOLDER).map((name): GrafanaDashboard => JSON.parse(readFileSync(join(FOLDER, name), 'utf8')));
}

/** Each query with the names of its dashboard and panel. */
export function readQueries(): { readonly panel: string; readonly expr: string }[] {
  return readDashboards().flatMap(({ uid, panels }) =>
    panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ panel: `${uid}, ${title}`, expr }))),
  );
}

/** As Grafana asks when everything is chosen: it puts its variables in first. */
export function withoutVariables(expr: string, range = '5m'): string {
  return expr.replaceAll(/\$__(?:rate_interval|range)/g, range).replaceAll(/\$(?:service|instance)/g, '.*');
}
