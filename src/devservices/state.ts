import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { SERVER_KINDS, type ServerKind, type Way } from './types.js';

/** What is kept about one server from one start to the next. */
export interface ServerRecord {
  way: Way;
  port: number;
  /** The process, where it runs on this machine; told from a later one of that number by its identity. */
  pid?: number;
  identity?: string;
}

type Records = Partial<Record<ServerKind, ServerRecord>>;

function isRecord(value: unknown): value is ServerRecord {
  return (
    typeof value === 'object' &&
    value !== null &&
    'way' in value &&
    typeof value.way === 'string' &&
    'port' in value &&
    typeof value.port === 'number'
  );
}

function readRecords(path: string): Records {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return {}; // The first start, or a file cut off: ports are chosen anew, data stays where it is.
  }
  const records: Records = {};
  if (typeof parsed !== 'object' || parsed === null) return records;
  for (const kind of SERVER_KINDS) {
    const value: unknown = Reflect.get(parsed, kind);
    if (isRecord(value)) records[kind] = value;
  }
  return records;
}

/** The small file that lets one start find the ports, and after a kill -9 the servers, of the one before. */
export class ServerState {
  #records: Records;

  constructor(private readonly path: string) {
    this.#records = readRecords(path);
  }

  get(kind: ServerKind): ServerRecord | undefined {
    return this.#records[kind];
  }

  /** Written beside and renamed, so that a kill -9 leaves the old state or the new one. */
  set(kind: ServerKind, record: ServerRecord): void {
    this.#records[kind] = record;
    mkdirSync(dirname(this.path), { recursive: true });
    const unfinished = `${this.path}.${process.pid}`;
    writeFileSync(unfinished, `${JSON.stringify(this.#records, null, 2)}\n`);
    renameSync(unfinished, this.path);
  }
}
