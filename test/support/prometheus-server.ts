import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/devservices/index.js';
import { waitFor } from './servers.js';

const RULES = join(import.meta.dirname, '../../../config/prometheus');

/** Whether one of Prometheus's programs is installed. */
export function isInstalled(program: 'prometheus' | 'promtool'): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

/** One series of an answer: its labels and its samples, `[seconds, value]`. */
export interface QueriedSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly samples: readonly (readonly [seconds: number, value: number])[];
}

interface QueryAnswer {
  readonly data: {
    readonly result: readonly {
      readonly metric: Record<string, string>;
      readonly value?: [number, string];
      readonly values?: [number, string][];
    }[];
  };
}

/** @param atSeconds since 1970; now by default */
export async function queryPrometheus(url: string, text: string, atSeconds?: number): Promise<QueriedSeries[]> {
  const time = atSeconds === undefined ? '' : `&time=${atSeconds}`;
  const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(text)}${time}`);
  if (!answer.ok) throw new Error(`${text}: ${await answer.text()}`);
  const { data } = (await answer.json()) as QueryAnswer;
  return data.result.map(({ metric, value, values }) => ({
    labels: metric,
    samples: (values ?? (value === undefined ? [] : [value])).map(([at, number]) => [at, Number(number)] as const),
  }));
}

/** A real Prometheus that scrapes one service. */
export class PrometheusServer {
  private constructor(
    private readonly url: string,
    private readonly folder: string,
    private readonly process: ChildProcess,
  ) {}

  /** With the rules of config/prometheus, and the name that its job has there. */
  static async start(servicePort: number, scrapeInterval: string): Promise<PrometheusServer> {
    const folder = mkdtempSync(join(process.env.METRICS_TEST_DIR ?? tmpdir(), 'metrics-test-prometheus-'));
    const config = {
      global: {
        scrape_interval: scrapeInterval,
        scrape_timeout: scrapeInterval,
        evaluation_interval: scrapeInterval,
      },
      rule_files: [join(RULES, '*.rules.yml')],
      scrape_configs: [
        {
          job_name: 'metrics-service',
          metrics_path: '/metrics/prometheus',
          static_configs: [{ targets: [`127.0.0.1:${servicePort}`] }],
        },
      ],
    };
    // JSON is YAML, too.
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const port = await freePort();
    const child = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=error',
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    process.once('exit', () => child.kill('SIGKILL'));
    const server = new PrometheusServer(`http://127.0.0.1:${port}`, folder, child);
    await waitFor('Prometheus', () =>
      fetch(`${server.url}/-/ready`).then(
        (answer) => answer.ok || undefined,
        () => undefined,
      ),
    );
    return server;
  }

  /** @param atSeconds since 1970; now by default */
  query(text: string, atSeconds?: number): Promise<QueriedSeries[]> {
    return queryPrometheus(this.url, text, atSeconds);
  }

  /** The one value of an answer; undefined where there is none. */
  async value(text: string, atSeconds?: number): Promise<number | undefined> {
    const [first] = await this.query(text, atSeconds);
    return first?.samples[0]?.[1];
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGKILL');
    await ended;
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
