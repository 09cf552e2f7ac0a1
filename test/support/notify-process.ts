/**
 * A process that does nothing but notify, to be killed: run by node with NOTIFY_PROCESS_OPTIONS as JSON. It has the real
 * channels, NATS connection and workers.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { WorkerTimes } from '../../src/alerts/notify/channel-worker.js';
import { type ChannelsConfig, createSenders, Notifiers } from '../../src/alerts/notify/notifiers.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { createServiceMetrics } from '../../src/telemetry/service-metrics.js';
import { openLog } from './log.js';
import { KEPT_CODE, programPath } from './programs.js';

const PROGRAM = programPath('test/support/notify-process.js');

export interface NotifyProcessOptions {
  readonly natsUrl: string;
  readonly channels: ChannelsConfig;
  readonly times: WorkerTimes;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts such a process. It goes with this one. */
export function startNotifyProcess(options: NotifyProcessOptions): ChildProcess {
  const child = spawn(process.execPath, [PROGRAM], {
    env: { PATH: process.env.PATH, ...KEPT_CODE, NOTIFY_PROCESS_OPTIONS: JSON.stringify(options) },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

async function main({ natsUrl, channels, times }: NotifyProcessOptions): Promise<void> {
  const log = await openLog(natsUrl);
  const parts = { logger: createLogger('silent'), now: Date.now };
  new Notifiers(createSenders(channels, { ...parts, externalUrl: '' }), {
    ...log,
    ...parts,
    replicas: 1,
    holder: `test:${process.pid}`,
    times,
    attention: { isSilenced: () => false, isAcknowledged: () => false },
    attentionReady: () => Promise.resolve(true),
    repeatMsOf: () => undefined,
    metrics: createServiceMetrics(),
  }).start();
}

const given = process.env.NOTIFY_PROCESS_OPTIONS;
if (given !== undefined) await main(JSON.parse(given));
