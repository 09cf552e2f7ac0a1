import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { LOCK_NAMESPACE, LOCKS, type LockName } from './locks.js';

const CONNECT_TIMEOUT_MS = 5_000;
const HEARTBEAT_INTERVAL_MS = 2_000;
/** Past it a heartbeat counts as unanswered, and the lead as lost. */
const HEARTBEAT_TIMEOUT_MS = 5_000;
/** Postgres ends a session that is silent this long: a process that was stopped loses the lead to a standby. */
const SILENCE_TIMEOUT_MS = 10_000;
const RELEASE_TIMEOUT_MS = 2_000;

/**
 * Leadership by an advisory lock that lives as long as one session of Postgres. Who loses the session has lost the
 * lead; the epoch in the checkpoint fences what it may still be writing.
 *
 * The session is kept alive by a heartbeat, not by its socket: the socket of a stopped process stays open.
 */
export class Lease {
  readonly #loss = new AbortController();
  #heartbeat: NodeJS.Timeout | undefined;

  private constructor(private readonly client: Client) {
    client.on('error', () => this.#lose());
    client.on('end', () => this.#lose());
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
      query_timeout: HEARTBEAT_TIMEOUT_MS,
      application_name: `metrics-service ${name} lease`,
      keepAlive: true,
    });
    const lease = new Lease(client);
    try {
      await client.connect();
      await client.query(`set idle_session_timeout = ${SILENCE_TIMEOUT_MS}`);
      const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1, $2) as locked', [
        LOCK_NAMESPACE,
        LOCKS[name],
      ]);
      if (rows[0]?.locked === true) {
        lease.#heartbeat = setInterval(() => lease.#beat(), HEARTBEAT_INTERVAL_MS);
        return lease;
      }
    } catch (error) {
      await lease.release();
      throw error;
    }
    await lease.release();
    return undefined;
  }

  get lost(): boolean {
    return this.#loss.signal.aborted;
  }

  /** Aborted when the lead is lost or given back. */
  get signal(): AbortSignal {
    return this.#loss.signal;
  }

  /** Gives the lead back, so that a standby takes over at once. */
  async release(): Promise<void> {
    this.#lose();
    // A session that is broken already has given the lock back by itself; a half-open one is left to the server.
    const ended = this.client.end().catch(() => undefined);
    const timeout = new AbortController();
    await Promise.race([
      ended,
      sleep(RELEASE_TIMEOUT_MS, undefined, { signal: timeout.signal }).catch(() => undefined),
    ]);
    timeout.abort();
  }

  #beat(): void {
    this.client.query('select 1').catch(() => this.#lose());
  }

  #lose(): void {
    clearInterval(this.#heartbeat);
    this.#loss.abort();
  }
}

/**
 * Leads for as long as `work` takes, and gives the lead back.
 *
 * @returns false where another process has the lead: then nothing was done
 * @throws what `work` throws, or where Postgres cannot be reached
 */
export async function lead(
  databaseUrl: string,
  name: LockName,
  work: (lease: Lease) => Promise<void>,
): Promise<boolean> {
  const lease = await Lease.tryAcquire(databaseUrl, name);
  if (lease === undefined) return false;
  try {
    await work(lease);
    return true;
  } finally {
    await lease.release();
  }
}
