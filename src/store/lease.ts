import { Client } from 'pg';
import { LOCK_NAMESPACE, LOCKS, type LockName } from './locks.js';

const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Leadership by an advisory lock that lives as long as one session of Postgres. Who loses the session has lost the
 * lead; the epoch in the checkpoint fences what it may still be writing.
 */
export class Lease {
  #lost = false;

  private constructor(private readonly client: Client) {
    const lose = (): void => {
      this.#lost = true;
    };
    client.on('error', lose);
    client.on('end', lose);
  }

  /**
   * Tries once to take the lead.
   *
   * @returns undefined where another process has it
   * @throws where Postgres cannot be reached
   */
  static async tryAcquire(databaseUrl: string, name: LockName): Promise<Lease | undefined> {
    const client = new Client({
      connectionString: databaseUrl,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      application_name: `metrics-service ${name} lease`,
      keepAlive: true,
    });
    const lease = new Lease(client);
    try {
      await client.connect();
      const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1, $2) as locked', [
        LOCK_NAMESPACE,
        LOCKS[name],
      ]);
      if (rows[0]?.locked === true) return lease;
    } catch (error) {
      await lease.release();
      throw error;
    }
    await lease.release();
    return undefined;
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** Gives the lead back, so that a standby takes over at once. */
  async release(): Promise<void> {
    if (this.#lost) return;
    this.#lost = true;
    // A session that is broken already has given the lock back by itself.
    await this.client.end().catch(() => undefined);
  }
}
