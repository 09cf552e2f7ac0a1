import type { Msg, MsgHdrs } from 'nats';
import type { LogMessage } from '../events/codec.js';

/** A message's headers as the codec looks at them: by name, without regard to case. Parsed when the first is asked for. */
export function readHeaders(message: Msg): Pick<Required<LogMessage>, 'header' | 'headerNames'> {
  let known: Map<string, string> | undefined;
  return {
    header: (name) => {
      known ??= lowered(message.headers);
      return known.get(name.toLowerCase()) || undefined;
    },
    headerNames: () => message.headers?.keys() ?? [],
  };
}

/** Lower-cased name → first value. */
function lowered(headers: MsgHdrs | undefined): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, [value = '']] of headers ?? []) {
    const key = name.toLowerCase();
    if (!values.has(key)) values.set(key, value);
  }
  return values;
}
