import type { EventBody } from '../events/kinds.js';
import { type Happening, request } from './happening.js';
import { BROWSERS, ROUTES, type RouteName } from './platform.js';
import { KeyedRandom } from './random.js';
import { busyness } from './rhythm.js';
import type { Story } from './story.js';

const MINUTE_MS = 60_000;
const USERS = 2_400;
/** Users who signed up in the demo have ids above all others', by the minute in which they did. */
const FIRST_NEW_USER = 100_000;
/** 2026-01-01T00:00Z. */
const FIRST_MINUTE = 29_453_760;
const NEW_USER_SHARE = 0.05;
const MAX_VISITS = 11;
const MAX_PAUSE_MS = 75_000;
/** No session is longer: signing in, each visit with its pause, and signing out. */
export const MAX_SESSION_MINUTES = Math.ceil(((MAX_VISITS + 2) * (MAX_PAUSE_MS + 4_000)) / MINUTE_MS);
const SESSION_LANE = 1;

/** What a visit asks for, and what it is reported as. */
interface Visit {
  readonly share: number;
  readonly routes: readonly RouteName[];
  readonly feature?: string;
  readonly eventTypes?: readonly string[];
}

const VISITS: readonly [Visit, ...Visit[]] = [
  { share: 0.24, routes: ['page', 'calendar'], feature: 'calendar' },
  { share: 0.16, routes: ['page', 'slots', 'book', 'send'], eventTypes: ['appointment_created', 'notification_sent'] },
  { share: 0.2, routes: ['page', 'record'], feature: 'records', eventTypes: ['patient_record_viewed'] },
  { share: 0.08, routes: ['page', 'history', 'note'], feature: 'notes', eventTypes: ['patient_note_added'] },
  { share: 0.1, routes: ['page', 'readings'], feature: 'vitals' },
  { share: 0.02, routes: ['page', 'pair'], eventTypes: ['device_registered'] },
  { share: 0.1, routes: ['page', 'inbox'], feature: 'messages' },
  { share: 0.06, routes: ['page', 'pay'], feature: 'payments' },
  { share: 0.04, routes: ['page', 'invoices'], feature: 'invoices' },
];

/** What users do in a minute, in sessions that began in it or in the minutes before. */
export function sessionSteps(story: Story, minute: number): Happening[] {
  const fromMs = minute * MINUTE_MS;
  const steps: Happening[] = [];
  for (let begun = minute - MAX_SESSION_MINUTES; begun <= minute; begun += 1) {
    for (const step of rememberedSteps(story, begun)) {
      if (step.atMs >= fromMs && step.atMs < fromMs + MINUTE_MS) steps.push(step);
    }
  }
  return steps;
}

/** Minutes are played one after another, and each looks back on those before. */
const remembered = new WeakMap<Story, Map<number, readonly Happening[]>>();

function rememberedSteps(story: Story, minute: number): readonly Happening[] {
  const known = remembered.get(story) ?? new Map<number, readonly Happening[]>();
  remembered.set(story, known);
  const steps = known.get(minute) ?? [...sessionsBegunIn(story, minute)];
  known.set(minute, steps);
  // The first that came in is the first to go.
  for (const oldest of known.keys()) {
    if (known.size <= MAX_SESSION_MINUTES + 2) break;
    known.delete(oldest);
  }
  return steps;
}

function* sessionsBegunIn(story: Story, minute: number): Generator<Happening> {
  const random = new KeyedRandom(story.seed, minute, SESSION_LANE);
  const count = random.poisson(story.sessionsPerMinute * busyness(minute * MINUTE_MS));
  for (let index = 0; index < count; index += 1) {
    yield* new Session(story, minute, index).steps();
  }
}

/** One user's way through the platform, from signing in to signing out or going away. */
class Session {
  readonly #random: KeyedRandom;
  readonly #id: string;
  readonly #isNew: boolean;
  readonly #userId: number;
  #atMs: number;
  #step = 0;

  constructor(
    private readonly story: Story,
    minute: number,
    index: number,
  ) {
    this.#random = new KeyedRandom(story.seed, minute, SESSION_LANE, index + 1);
    this.#id = `${minute.toString(36)}-${index}`;
    this.#isNew = this.#random.chance(NEW_USER_SHARE);
    // Some come daily, most now and then.
    const known = 1 + Math.floor(USERS * this.#random.next() ** 1.6);
    this.#userId = this.#isNew ? FIRST_NEW_USER + Math.max(0, minute - FIRST_MINUTE) * 4 + (index % 4) : known;
    this.#atMs = minute * MINUTE_MS + this.#random.integer(0, MINUTE_MS - 1);
  }

  *steps(): Generator<Happening> {
    yield* this.#arrive();
    for (let left = this.#random.integer(1, MAX_VISITS); left > 0; left -= 1) {
      this.#pass(5_000, MAX_PAUSE_MS);
      yield* this.#visit();
    }
    if (!this.#random.chance(0.55)) return;
    this.#pass(2_000, 30_000);
    yield this.#request('signOut');
    yield this.#event('user_logout');
  }

  *#arrive(): Generator<Happening> {
    yield this.#request('home');
    if (this.#isNew) {
      yield this.#request('signUp');
      yield this.#event('user_registered');
    } else if (this.#random.chance(0.04)) {
      yield this.#request('signInRefused');
      this.#pass(2_000, 6_000);
    }
    yield this.#request('signIn');
    yield this.#event('user_login', { browser: this.#random.pick(BROWSERS) });
  }

  *#visit(): Generator<Happening> {
    const visit = this.#chooseVisit();
    for (const route of visit.routes) yield this.#request(route);
    if (visit.feature !== undefined) yield this.#event('feature_used', { feature: visit.feature });
    for (const type of visit.eventTypes ?? []) yield this.#event(type);
  }

  #chooseVisit(): Visit {
    let place = this.#random.next();
    for (const visit of VISITS) {
      place -= visit.share;
      if (place < 0) return visit;
    }
    return VISITS[0];
  }

  #request(name: RouteName): Happening {
    this.#pass(60, 900);
    return this.#happening(request(this.story, this.#random, ROUTES[name], this.#atMs, this.#userId));
  }

  #event(eventType: string, more: Readonly<Record<string, unknown>> = {}): Happening {
    this.#pass(1, 30);
    const metadata = { session_id: this.#id, ...more };
    return this.#happening({ kind: 'user', body: { event_type: eventType, user_id: this.#userId, metadata } });
  }

  #happening(event: EventBody): Happening {
    this.#step += 1;
    return { key: `${this.#id}-${this.#step}`, atMs: this.#atMs, event };
  }

  #pass(minMs: number, maxMs: number): void {
    this.#atMs += this.#random.integer(minMs, maxMs);
  }
}
