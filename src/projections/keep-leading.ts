import { setTimeout as sleep } from 'node:timers/promises';
import { type Lease, lead } from '../store/lease.js';
import type { LockName } from '../store/locks.js';

export interface LeadingOptions {
  readonly databaseUrl: string;
  readonly name: LockName;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Works until the lease or the signal ends; it throws where it cannot go on. */
  readonly work: (lease: Lease) => Promise<void>;
  /** Another process has the lead; it is tried for again after `standbyMs`. */
  readonly onStandby?: () => void;
  readonly standbyMs: number;
  /** The work threw, or Postgres is away: the lead is given back, for a standby may be better off. */
  readonly onFailure: (reason: string) => void;
  readonly retryMs: number;
}

/** Leads whenever no other process does, until the signal is aborted. */
export async function keepLeading(options: LeadingOptions): Promise<void> {
  const { databaseUrl, name, signal, work, onStandby, standbyMs, onFailure, retryMs } = options;
  while (!signal.aborted) {
    try {
      if (await lead(databaseUrl, name, work)) continue;
      onStandby?.();
      await pause(standbyMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      onFailure(error instanceof Error ? error.message : String(error));
      await pause(retryMs, signal);
    }
  }
}

/** Waits; aborting ends the wait early, and the loops look at the signal themselves. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}
