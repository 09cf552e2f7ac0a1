import { Bucket } from '../stream/bucket.js';
import type { JetStreamManager, NatsConnection } from '../stream/connection.js';
import { EVENTS_STREAM, findStream } from '../stream/streams.js';
import { joined, type Stretch } from './stretches.js';

const BUCKET = 'metrics_demo';
const NAME = 'played';

/**
 * Which minutes of the demo the log has whole. Noted behind their events, on the server that has the log, so that a crash at
 * any moment leaves nothing untrue: at worst minutes are played again, whose events count once.
 */
export class PlayedMinutes {
  private constructor(
    private readonly bucket: Bucket,
    /** When the log's first event was stored: when the demo was started for the first time. Undefined where it has none. */
    readonly begunMs: number | undefined,
    private stretches: Stretch[],
  ) {}

  /** @throws where JetStream does not answer */
  static async open(connection: NatsConnection, manager: JetStreamManager): Promise<PlayedMinutes> {
    const bucket = await Bucket.open(connection, BUCKET);
    const log = (await findStream(manager, EVENTS_STREAM))?.state;
    // A log that is empty, or was emptied, has none of what was noted.
    if (log === undefined || log.messages === 0) return new PlayedMinutes(bucket, undefined, []);
    return new PlayedMinutes(bucket, Date.parse(String(log.first_ts)), parse(await bucket.get(NAME)));
  }

  /** Apart, in order. */
  get all(): readonly Stretch[] {
    return this.stretches;
  }

  /** Notes that the log has these minutes as well. @throws where JetStream does not answer; noted is then nothing */
  async note(stretch: Stretch): Promise<void> {
    this.stretches = joined([...this.stretches, stretch]);
    const pairs = this.stretches.map(({ fromMinute, untilMinute }) => [fromMinute, untilMinute]);
    await this.bucket.put(NAME, JSON.stringify(pairs));
  }
}

/** What makes no sense is as if it were not there: it is played again. */
function parse(text: string | undefined): Stretch[] {
  let pairs: unknown;
  try {
    pairs = JSON.parse(text ?? '[]');
  } catch {
    return [];
  }
  if (!Array.isArray(pairs)) return [];
  return joined(
    pairs.flatMap((pair: unknown) => {
      const [fromMinute, untilMinute]: unknown[] = Array.isArray(pair) ? pair : [];
      return Number.isInteger(fromMinute) && Number.isInteger(untilMinute)
        ? [{ fromMinute: Number(fromMinute), untilMinute: Number(untilMinute) }]
        : [];
    }),
  );
}
