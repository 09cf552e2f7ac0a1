import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { ConfigError, type ConfigProblem } from './config-error.js';

/** Which event types count as which business number; from `config/business.yaml`. */
export interface BusinessMapping {
  readonly appointmentsCreated: readonly string[];
  readonly notificationsSent: readonly string[];
  readonly deviceRegistrations: readonly string[];
  /** Prefixes of event types, for example `patient_`. */
  readonly patientEngagementPrefixes: readonly string[];
}

/** One entry of `config/sources.yaml`; it has the shape of `ForeignSource` in src/events. */
export interface SourceEntry {
  readonly subject: string;
  readonly eventType: string | undefined;
  readonly idPointer: string | undefined;
  readonly userIdPointer: string | undefined;
  readonly occurredAtPointer: string | undefined;
}

/** What counts where the file cannot be used; the start ends anyway. */
export const NO_BUSINESS: BusinessMapping = {
  appointmentsCreated: [],
  notificationsSent: [],
  deviceRegistrations: [],
  patientEngagementPrefixes: [],
};

const SOURCE_KEYS: ReadonlySet<string> = new Set(['subject', 'event_type', 'id', 'user_id', 'occurred_at']);
const MAX_YAML_ALIASES = 16;
const SUBJECT = /^(?:[A-Za-z0-9_-]+|\*)(?:\.(?:[A-Za-z0-9_-]+|\*))*(?:\.>)?$/;
const EVENT_TYPE = /^[A-Za-z0-9_-]{1,100}$/;
const POINTER = /^(?:\/(?:[^~/]|~0|~1)*)+$/;

/**
 * Reads `config/sources.yaml`: the subjects of other services whose messages become user events.
 *
 * @throws ConfigError with file and reason
 */
export function loadSources(file: string): readonly SourceEntry[] {
  const root = readYaml(file);
  const problems: ConfigProblem[] = [];
  const entries = field(root, 'sources');
  if (!Array.isArray(entries ?? [])) throw new ConfigError([{ name: file, detail: 'sources must be a list' }]);
  const sources = (Array.isArray(entries) ? entries : []).map((entry: unknown, index) => {
    const where = `${file}: sources[${index}]`;
    const text = (key: string, pattern: RegExp): string | undefined => {
      const value = field(entry, key);
      if (value === undefined || value === null) return undefined;
      if (typeof value === 'string' && pattern.test(value)) return value;
      problems.push({ name: where, detail: `${key} must match ${pattern.source}` });
      return undefined;
    };
    for (const key of unknownKeys(entry)) problems.push({ name: where, detail: `${key} is no setting of a source` });
    const subject = text('subject', SUBJECT) ?? '';
    if (field(entry, 'subject') === undefined) problems.push({ name: where, detail: 'subject is missing' });
    else if (subject === '' || subject.startsWith('metrics.') || subject.startsWith('*')) {
      problems.push({ name: where, detail: 'subject must be a pattern outside metrics.> that begins with a name' });
    }
    return {
      subject,
      eventType: text('event_type', EVENT_TYPE),
      idPointer: text('id', POINTER),
      userIdPointer: text('user_id', POINTER),
      occurredAtPointer: text('occurred_at', POINTER),
    };
  });
  problems.push(...overlaps(file, sources));
  if (problems.length > 0) throw new ConfigError(problems);
  return sources;
}

function unknownKeys(entry: unknown): string[] {
  return typeof entry === 'object' && entry !== null ? Object.keys(entry).filter((key) => !SOURCE_KEYS.has(key)) : [];
}

/** A stream takes no two patterns that one subject could match, and then none of its subjects would be bound. */
function overlaps(file: string, sources: readonly SourceEntry[]): ConfigProblem[] {
  return sources.flatMap(({ subject }, index) =>
    sources
      .slice(0, index)
      .flatMap((earlier) =>
        patternsOverlap(subject.split('.'), earlier.subject.split('.'))
          ? [{ name: `${file}: sources[${index}]`, detail: `subject overlaps with ${earlier.subject}` }]
          : [],
      ),
  );
}

function patternsOverlap([a, ...restOfA]: readonly string[], [b, ...restOfB]: readonly string[]): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a === '>' || b === '>') return true;
  return (a === b || a === '*' || b === '*') && patternsOverlap(restOfA, restOfB);
}

/**
 * Reads `config/business.yaml`: lists of event types by business number.
 *
 * @throws ConfigError with file and reason
 */
export function loadBusiness(file: string): BusinessMapping {
  const root = readYaml(file);
  const problems: ConfigProblem[] = [];
  const names = (key: string): readonly string[] => {
    const value = field(root, key);
    if (Array.isArray(value) && value.every((item) => typeof item === 'string' && EVENT_TYPE.test(item))) return value;
    problems.push({ name: file, detail: `${key} must be a list of event types` });
    return [];
  };
  const mapping = {
    appointmentsCreated: names('appointments_created'),
    notificationsSent: names('notifications_sent'),
    deviceRegistrations: names('device_registrations'),
    patientEngagementPrefixes: names('patient_engagement_prefixes'),
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return mapping;
}

function readYaml(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError([{ name: file, detail: `cannot be read: ${String(error)}` }]);
  }
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter });
  if (document.errors.length > 0) {
    throw new ConfigError(document.errors.map((error) => ({ name: file, detail: error.message })));
  }
  try {
    return document.toJS({ maxAliasCount: MAX_YAML_ALIASES });
  } catch (error) {
    throw new ConfigError([{ name: file, detail: String(error) }]);
  }
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
}
