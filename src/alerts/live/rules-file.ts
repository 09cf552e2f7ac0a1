import { unwatchFile, watchFile } from 'node:fs';
import type { Logger } from '../../telemetry/logger.js';
import type { ServiceMetrics } from '../../telemetry/service-metrics.js';
import { loadRules } from '../load-rules.js';
import type { AlertRule } from '../rule.js';

/** By polling, because that also sees a file that is replaced, or a link that is turned, as with mounted secrets. */
const POLL_INTERVAL_MS = 1_000;

export interface RulesFileOptions {
  readonly file: string;
  readonly onRules: (rules: readonly AlertRule[]) => void;
  readonly metrics: ServiceMetrics;
  readonly logger: Logger;
}

/** Reads the rules again when their file changes, or when it is told to. A bad file changes nothing. */
export class RulesFile {
  readonly #listener = (): void => this.reload();

  constructor(private readonly options: RulesFileOptions) {}

  start(): void {
    this.options.metrics.alertConfigValid.set(1);
    watchFile(this.options.file, { interval: POLL_INTERVAL_MS, persistent: false }, this.#listener);
  }

  stop(): void {
    unwatchFile(this.options.file, this.#listener);
  }

  reload(): void {
    const { file, onRules, metrics, logger } = this.options;
    const outcome = loadRules(file);
    metrics.alertConfigValid.set(outcome.ok ? 1 : 0);
    if (outcome.ok) {
      logger.info({ file, rules: outcome.rules.length }, 'Rules of alerts were read');
      onRules(outcome.rules);
    } else logger.error({ problems: outcome.problems }, 'The rules of alerts are not valid; the old ones stay');
  }
}
