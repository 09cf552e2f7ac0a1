/** What a token says of itself. It is shown, never trusted: the service checks it. */
export interface Claims {
  readonly subject: string | undefined;
  readonly expiresAtMs: number | undefined;
}

const NOTHING: Claims = { subject: undefined, expiresAtMs: undefined };

/** Reads a JWT's claims without checking anything. */
export function readClaims(token: string): Claims {
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof claims !== 'object' || claims === null) return NOTHING;
    const { sub, exp } = claims as { sub?: unknown; exp?: unknown };
    return {
      subject: typeof sub === 'string' ? sub : undefined,
      expiresAtMs: typeof exp === 'number' && isTime(exp * 1_000) ? exp * 1_000 : undefined,
    };
  } catch {
    return NOTHING; // No JWT; the service will say so.
  }
}

/** Whether there is such a time: one that is too far away cannot be written, and trying to would end the page. */
function isTime(timeMs: number): boolean {
  return !Number.isNaN(new Date(timeMs).getTime());
}

/** Bearer tokens are of these characters (RFC 6750, section 2.1): none that a header or a shell would take for its own. */
export function isSendable(token: string): boolean {
  return /^[A-Za-z0-9._~+/-]+=*$/.test(token);
}

/** The command that sends a first event; it works as it stands, in a POSIX shell. */
export function firstEventCommand(origin: string, token: string): string {
  const body = '{"event_type":"user_login","user_id":1}';
  return [
    `curl -X POST ${origin}/metrics/events \\`,
    `  -H 'Authorization: Bearer ${token}' \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d '${body}'`,
  ].join('\n');
}
