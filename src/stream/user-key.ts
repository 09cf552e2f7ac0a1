import { nkeys } from 'nats';

/** A user's nkey: who has the seed can prove to be the one whom the public key names. Both are base32. */
export interface UserKey {
  readonly seed: string;
  readonly publicKey: string;
}

export function createUserKey(): UserKey {
  const pair = nkeys.createUser();
  return { seed: new TextDecoder().decode(pair.getSeed()), publicKey: pair.getPublicKey() };
}
