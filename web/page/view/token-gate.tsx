import { useState } from 'preact/hooks';
import type { Page } from '../state/page.js';
import { Icon, Logo } from './icons.js';

/** Asks for a token, and says where one comes from. */
export function TokenGate({ page, refused }: { readonly page: Page; readonly refused: string | undefined }) {
  const [token, setToken] = useState('');
  const [onDevice, setOnDevice] = useState(false);
  return (
    <main class="gate" data-state={refused === undefined ? 'no_token' : 'wrong_token'}>
      <Logo />
      <h1>metrics-service</h1>
      <p class="soft">How the platform is doing. Its numbers are for who has a token.</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          page.signIn(token.trim(), onDevice);
        }}
      >
        {refused !== undefined && (
          <p class="refused" role="alert" id="refused">
            <Icon name="alert" />
            <span>
              <b>The token is not taken.</b> {refused}
            </span>
          </p>
        )}
        <label for="token">Token</label>
        <input
          id="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          autofocus
          aria-describedby={refused === undefined ? 'where' : 'refused where'}
          aria-invalid={refused !== undefined}
          value={token}
          onInput={({ currentTarget }) => setToken(currentTarget.value)}
        />
        <label class="choice">
          <input
            type="checkbox"
            checked={onDevice}
            onChange={({ currentTarget }) => setOnDevice(currentTarget.checked)}
          />
          Keep it on this device
        </label>
        <button type="submit" class="primary">
          Show the numbers
        </button>
      </form>
      <p class="soft" id="where">
        <code>npm start</code> prints an address that has one. On the server, <code>bin/metrics token</code> prints one
        that works for a day.
      </p>
    </main>
  );
}
