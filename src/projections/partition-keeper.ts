import type { Partitions } from '../store/partitions.js';
import type { Logger } from '../telemetry/logger.js';

const DAYS_AHEAD = 3;
const INTERVAL_MS = 3_600_000;

/** Makes the partitions of the days to come while the service runs. The projector makes those of late events itself. */
export class PartitionKeeper {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly partitions: Partitions,
    private readonly logger: Logger,
    private readonly now: () => number,
  ) {}

  async start(): Promise<void> {
    this.#timer ??= setInterval(() => void this.#keep(), INTERVAL_MS).unref();
    await this.#keep();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #keep(): Promise<void> {
    try {
      await this.partitions.ensureAhead(this.now(), DAYS_AHEAD);
    } catch (error) {
      // Three days are ahead, and the projector makes what it misses: the next round is soon enough.
      this.logger.warn({ err: error }, 'The partitions of the days to come could not be made');
    }
  }
}
