/**
 * `metrics-service/client`: sends events to the service over NATS, and records the requests of a Fastify or Express
 * application. Imports the NATS client and Node.js' own modules, and nothing of the service. See docs/publishing.md.
 */
export type { DropNotice, DropReason, SendTrouble } from './drop-reporter.js';
export type { WhenFull } from './event-buffer.js';
export type { ApiEvent, SystemEvent, UserEvent } from './events.js';
export { expressRecorder } from './express.js';
export { fastifyRecorder } from './fastify.js';
export {
  type ApiEventSink,
  createPublisher,
  type Publisher,
  type PublisherOptions,
  type PublisherStats,
} from './publisher.js';
export { type RecorderOptions, UNKNOWN_ROUTE } from './record-request.js';
