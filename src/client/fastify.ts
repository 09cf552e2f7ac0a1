import type { IncomingMessage, ServerResponse } from 'node:http';
import { type RecorderOptions, RequestRecorder } from './record-request.js';

// What is used of Fastify 5, described here so that nobody needs Fastify who uses the rest.

interface FastifyRequestLike {
  readonly raw: IncomingMessage;
  readonly is404: boolean;
  readonly routeOptions: { readonly url?: string | undefined };
}

interface FastifyReplyLike {
  readonly raw: ServerResponse;
}

interface FastifyLike<Request> {
  addHook(name: 'onRequest', hook: (request: Request, reply: FastifyReplyLike, done: () => void) => void): unknown;
}

/**
 * A plugin for Fastify 5: `app.register(fastifyRecorder({ publisher, ignore: ['/health'] }))`. Register it first. It sends
 * one api event for each request, those that no route takes too, whichever plugin their routes are in.
 */
export function fastifyRecorder<Request extends FastifyRequestLike>(
  options: RecorderOptions<Request>,
): (app: FastifyLike<Request>, options: object, done: () => void) => void {
  const recorder = new RequestRecorder(options);
  const plugin = (app: FastifyLike<Request>, _options: object, done: () => void): void => {
    app.addHook('onRequest', (request, reply, next) => {
      const routeOf = (): string | undefined => (request.is404 ? undefined : request.routeOptions.url);
      recorder.begin({ request, raw: request.raw, response: reply.raw, routeOf });
      next();
    });
    done();
  };
  // What the package fastify-plugin does: the hook holds for the application, not for this plugin's own routes alone.
  return Object.assign(plugin, {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'metrics-service-recorder',
    [Symbol.for('plugin-meta')]: { name: 'metrics-service-recorder', fastify: '5.x' },
  });
}
