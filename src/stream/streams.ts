import {
  DiscardPolicy,
  type JetStreamManager,
  NatsError,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from 'nats';
import { isMomentary } from './connection.js';

export const EVENTS_STREAM = 'METRICS';
export const ALERTS_STREAM = 'METRICS_ALERTS';
/** How far rules have been evaluated. */
export const ALERT_STATE_STREAM = 'METRICS_ALERT_STATE';
/** What people and notifiers did about alerts. */
export const ALERT_ACTIONS_STREAM = 'METRICS_ALERT_ACTIONS';
export const DEAD_LETTERS_STREAM = 'METRICS_DEADLETTERS';
export const ALERT_SUBJECT = 'metrics.alert';
export const ALERT_STATE_SUBJECT = 'metrics.alert_state';
export const ALERT_ACTION_SUBJECT = 'metrics.alert_action';
/** Under the bucket of leases, which is made with the first lease. */
const LEASES_STREAM = 'KV_metrics_leases';
export const DEAD_LETTER_PREFIX = 'metrics.deadletter';

export interface StreamSettings {
  readonly retentionDays: number;
  readonly dedupWindowSeconds: number;
  readonly replicas: number;
  /** Bytes that METRICS may take; past them new events are refused. 0: as much as the server gives. */
  readonly maxBytes: number;
  /** Subject patterns of other services, from `config/sources.yaml`. */
  readonly foreignSubjects: readonly string[];
}

/** How a stream that exists differs from what the service wants, after it did what it could. */
export interface StreamDifference {
  readonly stream: string;
  readonly field: string;
  readonly wanted: string;
  readonly found: string;
}

const DAY_NS = 86_400 * 1e9;
/**
 * How much longer the log keeps an event than the tables do. They are kept by whole days: with a day more, every event of
 * a day that is kept is in the log, so the day can be folded again. The hour is for clocks that differ and for a worker
 * that is late.
 */
const LOG_KEPT_LONGER_NS = DAY_NS + 3_600 * 1e9;
const STREAM_NOT_FOUND = 10059;
const REPLICAS_NEED_A_CLUSTER = 10074;

type Wanted = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects'>;

/** The streams as they should be. */
export function wantedStreams(settings: StreamSettings): readonly Wanted[] {
  const common = { retention: RetentionPolicy.Limits, storage: StorageType.File, num_replicas: settings.replicas };
  return [
    {
      ...common,
      name: EVENTS_STREAM,
      subjects: ['metrics.events.>', ...settings.foreignSubjects],
      max_age: settings.retentionDays * DAY_NS + LOG_KEPT_LONGER_NS,
      max_bytes: settings.maxBytes > 0 ? settings.maxBytes : -1,
      duplicate_window: settings.dedupWindowSeconds * 1e9,
      // A full log refuses the new event, and its publisher knows; it never drops an old one quietly.
      discard: DiscardPolicy.New,
      // A person's events are taken out of it one by one (`metrics erase`), which JetStream may be told to deny only for
      // good. Who else may, is for NATS' accounts to say.
      deny_delete: false,
      deny_purge: true,
    },
    { ...common, name: ALERTS_STREAM, subjects: [ALERT_SUBJECT], max_age: 365 * DAY_NS, duplicate_window: DAY_NS },
    // Only the latest is ever asked for.
    { ...common, name: ALERT_STATE_STREAM, subjects: [ALERT_STATE_SUBJECT], max_msgs_per_subject: 1 },
    {
      ...common,
      name: ALERT_ACTIONS_STREAM,
      subjects: [ALERT_ACTION_SUBJECT],
      max_age: 365 * DAY_NS,
      duplicate_window: DAY_NS,
    },
    {
      ...common,
      name: DEAD_LETTERS_STREAM,
      subjects: [`${DEAD_LETTER_PREFIX}.>`],
      max_age: 30 * DAY_NS,
      duplicate_window: DAY_NS,
    },
  ];
}

export interface StreamRights {
  /** Whether streams that are there may be changed; else their differences are only told. */
  readonly mayChange: boolean;
  /** Told of each change that was made. */
  readonly onChanged: (change: StreamDifference) => void;
}

const ALL_RIGHTS: StreamRights = { mayChange: true, onChanged: () => undefined };

/**
 * Creates the streams that are missing and updates those that differ.
 *
 * @returns what still differs, because it may not be changed or the server refused; the service goes on and says so
 * @throws NatsError where JetStream does not answer, a cluster cannot place a stream (see `isMomentary`), or a single
 *   server is asked for replicas of a stream that is missing (see `needsCluster`)
 */
export async function ensureStreams(
  manager: JetStreamManager,
  settings: StreamSettings,
  rights: StreamRights = ALL_RIGHTS,
): Promise<StreamDifference[]> {
  const differences: StreamDifference[] = [];
  for (const wanted of wantedStreams(settings)) {
    const found = await findStream(manager, wanted.name);
    if (found === undefined) await manager.streams.add(wanted);
    else if (rights.mayChange) differences.push(...(await updateStream(manager, wanted, found, rights)));
    else differences.push(...compare(wanted, found.config));
  }
  if (rights.mayChange) differences.push(...(await updateLeases(manager, settings.replicas, rights)));
  return differences;
}

/** Whether NATS refused replicas because it is a single server. */
export function needsCluster(error: unknown): boolean {
  return error instanceof NatsError && error.api_error?.err_code === REPLICAS_NEED_A_CLUSTER;
}

/** A bucket that is there keeps the replicas that it was made with, whatever is asked for when it is opened. */
async function updateLeases(
  manager: JetStreamManager,
  replicas: number,
  rights: StreamRights,
): Promise<StreamDifference[]> {
  const found = await findStream(manager, LEASES_STREAM);
  if (found === undefined) return [];
  const { name, subjects } = found.config;
  return await updateStream(manager, { name, subjects, num_replicas: replicas }, found, rights);
}

/** A stream's state, or undefined where there is no such stream. */
export async function findStream(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

/** Changes one field at a time, so that one that the server refuses does not keep the others from being changed. */
async function updateStream(
  manager: JetStreamManager,
  wanted: Wanted,
  found: StreamInfo,
  { onChanged }: StreamRights,
): Promise<StreamDifference[]> {
  const refused: StreamDifference[] = [];
  let { config } = found;
  for (const difference of compare(wanted, config)) {
    try {
      const change = { ...config, [difference.field]: Reflect.get(wanted, difference.field) };
      config = (await manager.streams.update(wanted.name, change)).config;
      onChanged(difference);
    } catch (error) {
      if (!(error instanceof NatsError) || isMomentary(error)) throw error;
      refused.push(difference);
    }
  }
  return refused;
}

function compare(wanted: Wanted, found: StreamConfig): StreamDifference[] {
  const differences: StreamDifference[] = [];
  for (const [field, value] of Object.entries(wanted)) {
    const wantedText = JSON.stringify(value);
    const foundText = JSON.stringify(Reflect.get(found, field)) ?? 'unset';
    if (wantedText !== foundText) {
      differences.push({ stream: wanted.name, field, wanted: wantedText, found: foundText });
    }
  }
  return differences;
}
