import { type KV, type NatsConnection, NatsError } from 'nats';

const BUCKET = 'metrics_leases';
/** Giving back must not hold up a process that ends. */
const CALL_TIMEOUT_MS = 2_000;
const WRONG_LAST_SEQUENCE = 10071;
/** A holder counts on less than the time after which the lease is free: it gives up before anybody else may begin. */
const HELD_SHARE = 0.75;
const RENEW_SHARE = 0.2;

export interface LeaseOptions {
  /** A lease that is not renewed is free after so long. The same for every process. */
  readonly leaseMs: number;
  readonly replicas: number;
  /** Who asks; for operators, who look into the bucket. */
  readonly holder: string;
}

/**
 * Work that one process does at a time, where there is NATS alone: a key that its holder renews, and that goes by itself
 * where the holder does not. A holder that was stopped finds by its own clock that its time is over.
 */
export class StreamLease {
  readonly #loss = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #heldUntilMs: number;
  #renewing = false;

  private constructor(
    private readonly bucket: KV,
    private readonly name: string,
    private readonly holder: string,
    private revision: number,
    private readonly leaseMs: number,
    askedAtMs: number,
  ) {
    this.#heldUntilMs = askedAtMs + leaseMs * HELD_SHARE;
    this.#timer = setInterval(() => void this.#renew(), leaseMs * RENEW_SHARE);
  }

  /**
   * Tries once to take the lease.
   *
   * @returns undefined where another process has it
   * @throws where JetStream does not answer
   */
  static async tryAcquire(
    connection: NatsConnection,
    name: string,
    { leaseMs, replicas, holder }: LeaseOptions,
  ): Promise<StreamLease | undefined> {
    const bucket = await connection
      .jetstream({ timeout: CALL_TIMEOUT_MS })
      .views.kv(BUCKET, { ttl: leaseMs, history: 1, replicas });
    const askedAtMs = performance.now();
    try {
      const revision = await bucket.create(name, holder);
      return new StreamLease(bucket, name, holder, revision, leaseMs, askedAtMs);
    } catch (error) {
      if (isTaken(error)) return undefined;
      throw error;
    }
  }

  get lost(): boolean {
    if (performance.now() > this.#heldUntilMs) this.#lose();
    return this.#loss.signal.aborted;
  }

  /** Aborted when the lease is lost or given back. */
  get signal(): AbortSignal {
    return this.#loss.signal;
  }

  /** Gives it back, so that another process takes over at once. Where that fails, it goes by itself. */
  async release(): Promise<void> {
    const wasHeld = !this.lost;
    this.#lose();
    if (!wasHeld) return;
    await this.bucket.delete(this.name, { previousSeq: this.revision }).catch(() => undefined);
  }

  async #renew(): Promise<void> {
    if (this.lost || this.#renewing) return;
    this.#renewing = true;
    const askedAtMs = performance.now();
    try {
      this.revision = await this.bucket.update(this.name, this.holder, this.revision);
      this.#heldUntilMs = askedAtMs + this.leaseMs * HELD_SHARE;
    } catch (error) {
      // Another one has it. Where the server is away, there is time to try again.
      if (isTaken(error)) this.#lose();
    } finally {
      this.#renewing = false;
    }
  }

  #lose(): void {
    clearInterval(this.#timer);
    this.#loss.abort();
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof NatsError && error.api_error?.err_code === WRONG_LAST_SEQUENCE;
}
