import type { IncomingMessage, ServerResponse } from 'node:http';
import { watchRoute } from './express-route.js';
import { type RecorderOptions, RequestRecorder } from './record-request.js';

/**
 * A middleware for Express 4 and 5: `app.use(expressRecorder({ publisher, ignore: ['/health'] }))`. Use it first. It sends
 * one api event for each request. What a route takes is told as that route; what other middleware answers (files of
 * `express.static`) and what nothing takes, as unknown.
 */
export function expressRecorder<Request extends IncomingMessage = IncomingMessage>(
  options: RecorderOptions<Request>,
): (request: Request, response: ServerResponse, next: () => void) => void {
  const recorder = new RequestRecorder(options);
  return (request, response, next) => {
    recorder.begin({ request, raw: request, response, routeOf: watchRoute(request) });
    next();
  };
}
