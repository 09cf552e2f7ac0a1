import { LIVE_INCIDENT, type Story } from '../demo/story.js';
import { SERVICE_LOG } from './dev-log.js';

/** `high_error_rate` looks five minutes back, and is judged every 15 s. */
const ALERT_WINDOW_MS = 300_000;
const JUDGED_EVERY_MS = 15_000;

/** Printed as soon as the service answers. */
export function demoGreeting(port: number, token: string): string {
  return [
    '',
    'metrics-service is ready, with data of the demo alone.',
    '',
    `Dashboard:  http://localhost:${port}/#token=${token}`,
    `Log:        ${SERVICE_LOG}`,
    '',
    '',
  ].join('\n');
}

/**
 * What there is to see, and when the incident comes. Times are those of this machine's time zone.
 *
 * @param past the story of what lies behind
 */
export function demoGuide(past: Story, liveMs: number): string {
  const fromMs = liveMs + LIVE_INCIDENT.afterMs;
  const firesMs = fromMs + 2 * JUDGED_EVERY_MS;
  const endsMs = fromMs + LIVE_INCIDENT.lastsMs + ALERT_WINDOW_MS + 2 * JUDGED_EVERY_MS;
  const incidents = past.incidents.filter(({ toMs }) => toMs < liveMs);
  return [
    '',
    'Live traffic has begun. What to look at:',
    '',
    `  ${clock(fromMs)}   payments begin to fail in billing, for ${LIVE_INCIDENT.lastsMs / 1000} s`,
    `  ${clock(firesMs)}   by then high_error_rate fires: acknowledge or silence it on the page`,
    `  ${clock(endsMs)}   by then it has resolved: five minutes without an error have passed`,
    '',
    ...past.deploys.map(
      (each) => `  ${day(each.atMs)}  ${each.service} ${each.toVersion} was deployed, and is faster since`,
    ),
    ...incidents.map(
      (each) => `  ${day(each.fromMs)}  ${each.service} ${each.status === undefined ? 'was slow' : 'failed'}`,
    ),
    '',
    'What is stored long after it happened pages nobody. What the rules would have told of the past:',
    '  npm run metrics -- alerts backtest --from -7d --late',
    '',
    'Ctrl-C stops everything that was started; npm run demo goes on from there, npm run demo -- --fresh begins anew.',
    '',
  ].join('\n');
}

function clock(timeMs: number): string {
  return new Date(timeMs).toLocaleTimeString('en-GB');
}

function day(timeMs: number): string {
  return new Date(timeMs).toLocaleString('en-GB', { weekday: 'short', hour: '2-digit', minute: '2-digit' });
}
