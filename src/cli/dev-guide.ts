import type { ServersConfig } from '../config.js';
import { SERVICE_LOG } from './dev-log.js';

const DEV_PASSWORD = 'postgres';
const EXAMPLE = '{"event_type":"user_login","user_id":1,"metadata":{"browser":"chrome","ip":"192.168.1.1"}}';

/**
 * What the person at the terminal reads once the service is ready; the curl lines work as they stand.
 *
 * @param token undefined where only somebody else can sign tokens: then the lines name a variable for theirs
 */
export function guide({ nats, databaseUrl, redis }: ServersConfig, port: number, token: string | undefined): string {
  const base = `http://localhost:${port}`;
  const authorization =
    token === undefined ? '-H "Authorization: Bearer $TOKEN"' : `-H 'Authorization: Bearer ${token}'`;
  return [
    '',
    'metrics-service is ready.',
    '',
    `Dashboard:  ${base}/${token === undefined ? '' : `#token=${token}`}`,
    `Log:        ${SERVICE_LOG} (warnings are shown here too)`,
    `NATS:       ${nats.servers.map(masked).join(',')}`,
    `Postgres:   ${masked(databaseUrl)}`,
    `Redis:      ${redis.host}:${redis.port}`,
    ...(token === undefined ? ['Tokens:     are signed elsewhere; put one into TOKEN'] : []),
    '',
    'Send an event:',
    `curl -sS -X POST ${base}/metrics/events ${authorization} -H 'Content-Type: application/json' -d '${EXAMPLE}'`,
    '',
    'Read the summary:',
    `curl -sS ${base}/metrics/summary ${authorization}`,
    '',
    'Ctrl-C stops everything that was started; the data is kept.',
    '',
  ].join('\n');
}

/** An address without its password, unless that is the one of servers for development, which is no secret. */
function masked(address: string): string {
  const url = new URL(address.includes('://') ? address : `nats://${address}`);
  if (url.password !== '' && url.password !== DEV_PASSWORD) url.password = '***';
  else if (url.password === '' && url.username !== '') url.username = '***';
  return url.href;
}
