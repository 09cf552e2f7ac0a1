import { useState } from 'preact/hooks';
import { firstEventCommand } from '../model/token.js';

/** Before there is an event: how the first one is sent. */
export function FirstEvent({ token }: { readonly token: string }) {
  const [copied, setCopied] = useState(false);
  const command = firstEventCommand(location.origin, token);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(command);
    setCopied(true);
    setTimeout(() => setCopied(false), 2_000);
  };
  return (
    <section class="first" aria-labelledby="first-title" data-state="empty">
      <h2 id="first-title">No event has come yet</h2>
      <p class="soft">Paste this into a terminal. The login is counted here a moment later, without a reload.</p>
      <div class="command">
        <pre id="first-command">{command}</pre>
        {navigator.clipboard !== undefined && (
          <button type="button" onClick={() => void copy()} aria-live="polite">
            {copied ? 'Copied' : 'Copy'}
          </button>
        )}
      </div>
      <p class="soft">
        The token is yours. Services publish to NATS instead, to <code>metrics.events.user.user_login</code> and the
        like: <a href="/asyncapi">what they may send</a>, and <a href="/docs">the API</a>.
      </p>
    </section>
  );
}
