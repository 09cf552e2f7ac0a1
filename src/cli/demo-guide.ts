import { LIVE_INCIDENT } from '../demo/story.js';
import { SERVICE_LOG } from './dev-log.js';

/** `high_error_rate` looks five minutes back, and is judged every 15 s. */
const ALERT_WINDOW_MS = 300_000;
const JUDGED_EVERY_MS = 15_000;

/** The page's address with a token that works. */
export function pageAddress(port: number, token: string): string {
  return `http://localhost:${port}/#token=${token}`;
}

/** Printed as soon as the service answers. */
export function demoGreeting(port: number, token: string): string {
  return [
    '',
    'metrics-service is ready, with data of the demo alone.',
    '',
    `Dashboard:  ${pageAddress(port, token)}`,
    `Log:        ${SERVICE_LOG}`,
    '',
    '',
  ].join('\n');
}

/** What there is to see, and when the incident comes. Times are those of this machine's time zone. */
export function demoGuide(liveMs: number): string {
  const fromMs = liveMs + LIVE_INCIDENT.afterMs;
  const firesMs = fromMs + 2 * JUDGED_EVERY_MS;
  const endsMs = fromMs + LIVE_INCIDENT.lastsMs + ALERT_WINDOW_MS + 2 * JUDGED_EVERY_MS;
  return [
    '',
    'Live traffic has begun. What to look at:',
    '',
    `  ${clock(fromMs)}   payments begin to fail in billing, for ${LIVE_INCIDENT.lastsMs / 1000} s`,
    `  ${clock(firesMs)}   by then high_error_rate fires; acknowledge or silence it on the page`,
    `  ${clock(endsMs)}   by then it has resolved: five minutes without an error have passed`,
    '',
    '  The last 24 hours have a deploy of appointments, which made it faster (filter by that service), and twenty minutes',
    '  of failing payments; the last 7 days have a slow evening of notifications, nights and a weekend.',
    '  History that was stored late pages nobody, so these two are told by a back-test:',
    '    npm run metrics -- alerts backtest --from -7d --late',
    '',
    'Ctrl-C stops everything that was started; npm run demo goes on from there, npm run demo -- --fresh begins anew.',
    '',
  ].join('\n');
}

function clock(timeMs: number): string {
  return new Date(timeMs).toLocaleTimeString('en-GB');
}
