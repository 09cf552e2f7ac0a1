// Which test files share a process. What a file loads costs as much processor time as most of its tests do: some two
// thousand modules, the compiled schemas of all answers, the first call of everything.
const UNIT = 'test/unit/';

/**
 * Files with servers that share a process, each group in turn in one. A file belongs here only if it starts no process
 * but servers, and leaves the environment, the clock and all globals as they were. Other files have one of their own.
 */
const GROUPS = {
  'integration/http, reading': ['http/access', 'http/conditional', 'http/csv', 'http/docs', 'http/events'],
  'integration/http, following': ['http/late-events', 'http/openapi', 'http/slow-dashboards', 'http/stream'],
  'integration, the whole way': ['nats-events', 'erase'],
  'integration, the log': ['append', 'dead-letters', 'deadletters-cli', 'read-to-end', 'stream-follower'],
  'integration, letters': ['begin-anew', 'parked-letters', 'replay-letters', 'streams'],
  'integration, tables': ['rebuild-state', 'store'],
  'integration, queries of tables': ['product-queries', 'write-batch'],
  'integration, days and sessions': ['retention', 'session-lengths', 'queries/metrics-document'],
  'integration, summaries': ['summary-fencing', 'queries/bucket-sums', 'queries/status'],
  'integration/notify': ['notify/channels', 'notify/notifiers'],
};
const GROUP_OF = new Map(
  Object.entries(GROUPS).flatMap(([group, files]) =>
    files.map((file) => [`test/integration/${file}.test.ts`, `test/${group}`]),
  ),
);

function keyOf(name) {
  if (!name.startsWith(UNIT)) return GROUP_OF.get(name) ?? name;
  return `${name.slice(0, name.indexOf('/', UNIT.length) + 1) || UNIT}*`;
}

/**
 * @param {{path: string, name: string}[]} files in the order in which they shall begin
 * @returns {{name: string, paths: string[], needsServers: boolean}[]} what runs in a process each
 */
export function shareProcesses(files) {
  const groups = new Map();
  for (const file of files) groups.set(keyOf(file.name), [...(groups.get(keyOf(file.name)) ?? []), file]);
  return [...groups].map(([key, members]) => ({
    name: members.length === 1 ? members[0].name : `${key} (${members.length} files)`,
    paths: members.map(({ path }) => path),
    needsServers: !key.startsWith(UNIT),
  }));
}
