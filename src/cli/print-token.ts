import type { Environment } from '../config.js';
import { loadConfig } from '../config.js';
import { ConfigError, UsageError } from '../config-error.js';
import { signTokenFor, TOKEN_DEFAULTS } from './token.js';

const UNIT_SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3_600, d: 86_400 };

/** `metrics token`: prints a token signed with JWT_SECRET. */
export async function runToken(env: Environment, options: Readonly<Record<string, unknown>>): Promise<number> {
  const { sub = TOKEN_DEFAULTS.sub, scope = TOKEN_DEFAULTS.scope, ttl } = options;
  const ttlSeconds = ttl === undefined ? TOKEN_DEFAULTS.ttlSeconds : parseDuration(String(ttl));
  const scopes = String(scope)
    .split(/[\s,]+/)
    .filter((each) => each !== '')
    .join(' ');
  if (sub === '') throw new UsageError([{ name: '--sub', detail: 'must name somebody' }]);
  const token = await signTokenFor(loadConfig(env).jwt, { sub: String(sub), scope: scopes, ttlSeconds });
  if (token === undefined) {
    throw new ConfigError([{ name: 'JWT_SECRET', detail: 'is not set: who has the private key signs the tokens' }]);
  }
  process.stdout.write(`${token}\n`);
  return 0;
}

function parseDuration(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text);
  const seconds = Number(match?.[1] ?? 0) * (UNIT_SECONDS[match?.[2] ?? ''] ?? 0);
  if (seconds > 0) return seconds;
  throw new UsageError([{ name: '--ttl', detail: 'must be seconds, or a number with s, m, h or d' }]);
}
