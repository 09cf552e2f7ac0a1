import type { EventBody, EventKind } from './kinds.js';
import { EVENT_KINDS } from './kinds.js';

/** Everything that the service itself appends lies below this prefix. */
export const EVENTS_PREFIX = 'metrics.events';

/** What a subject below `metrics.events.` says about its message. */
export interface SubjectParts {
  readonly kind: EventKind;
  /** The event type of a user event, else the name of the service. */
  readonly name: string;
}

/** The subject that an event is appended under. The body has been validated, so the token is safe. */
export function subjectOf(event: EventBody): string {
  const name = event.kind === 'user' ? event.body.event_type : event.body.service_name;
  return `${EVENTS_PREFIX}.${event.kind}.${name}`;
}

/** Subjects come again and again; past this many they are read anew. */
const MAX_SUBJECTS_REMEMBERED = 10_000;
const remembered = new Map<string, SubjectParts>();

/** Reads `metrics.events.<kind>.<name>`; undefined for any other subject. */
export function parseSubject(subject: string): SubjectParts | undefined {
  const known = remembered.get(subject);
  if (known !== undefined) return known;
  const parts = splitSubject(subject);
  if (parts !== undefined && remembered.size < MAX_SUBJECTS_REMEMBERED) remembered.set(subject, parts);
  return parts;
}

function splitSubject(subject: string): SubjectParts | undefined {
  const tokens = subject.split('.');
  if (tokens.length !== 4 || tokens[0] !== 'metrics' || tokens[1] !== 'events') return undefined;
  const kind = EVENT_KINDS.find((each) => each === tokens[2]);
  const name = tokens[3];
  return kind === undefined || name === undefined ? undefined : { kind, name };
}
