/** An event of a stream of server-sent events. */
export interface SentEvent {
  readonly event: string;
  readonly data: string;
}

/** Longest text that is kept while its end has not come. */
const MAX_WAITING_CHARACTERS = 4_000_000;

/** Puts together events of pieces of text, as they come over the wire with line feeds. Comments and unknown fields are left out. */
export class EventParser {
  #waiting = '';

  /** @throws where an event has no end for too long */
  push(text: string): SentEvent[] {
    const blocks = `${this.#waiting}${text}`.split('\n\n');
    this.#waiting = blocks.pop() ?? '';
    if (this.#waiting.length > MAX_WAITING_CHARACTERS) throw new Error('An event of the stream is too long');
    return blocks.flatMap((block) => parse(block));
  }
}

function parse(block: string): SentEvent[] {
  const fields = block.split('\n').map((line) => {
    const at = line.indexOf(':');
    return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1).replace(/^ /, '')];
  });
  const data = fields.filter(([name]) => name === 'data').map(([, value]) => value);
  if (data.length === 0) return [];
  const event = fields.findLast(([name]) => name === 'event')?.[1] ?? 'message';
  return [{ event, data: data.join('\n') }];
}
