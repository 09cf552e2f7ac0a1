/** What JetStream says of a message in the subject that acknowledges it. */
export interface AckSubject {
  readonly sequence: number;
  /** In the consumer's own counting. */
  readonly deliverySequence: number;
  /** JetStream's time of storing, ms since 1970. */
  readonly storedAtMs: number;
  /** Messages that the consumer has still to deliver. */
  readonly pending: number;
}

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time ns>.<pending>`; with a domain and
 * an account hash there are two more tokens before the stream.
 */
export function parseAckSubject(subject: string): AckSubject {
  // Found by their dots, since splitting every message's subject would cost as much as decoding some.
  let tokens = 1;
  for (let at = subject.indexOf('.'); at >= 0; at = subject.indexOf('.', at + 1)) tokens += 1;
  let start = 0;
  for (let skipped = tokens > 9 ? 7 : 5; skipped > 0; skipped -= 1) start = subject.indexOf('.', start) + 1;
  const sequenceEnd = subject.indexOf('.', start);
  const deliveryEnd = subject.indexOf('.', sequenceEnd + 1);
  const timeEnd = subject.indexOf('.', deliveryEnd + 1);
  const pendingEnd = subject.indexOf('.', timeEnd + 1);
  return {
    sequence: Number(subject.slice(start, sequenceEnd)),
    deliverySequence: Number(subject.slice(sequenceEnd + 1, deliveryEnd)),
    // Nanoseconds exceed 2^53, so the last six digits go before the text becomes a number.
    storedAtMs: Number(subject.slice(deliveryEnd + 1, timeEnd - 6)),
    pending: Number(subject.slice(timeEnd + 1, pendingEnd < 0 ? undefined : pendingEnd)),
  };
}
