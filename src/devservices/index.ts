export { type FindOptions, type FoundPrograms, findInstalled, findPrograms } from './find-programs.js';
export { startNats } from './nats.js';
export { freePort, isPortFree } from './ports.js';
export { startPostgres } from './postgres.js';
export { ensureDatabase, withDatabase } from './probes.js';
export { isRunning, processIdentity, sendSignal } from './processes.js';
export { startRedis } from './redis.js';
export type { Log, ManagedServer, Programs, ServerKind, Way } from './types.js';
