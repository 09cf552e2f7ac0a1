import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK } from 'jose';

/** An issuer of tokens with one ES256 key, which counts how often somebody has asked for its key set. */
export class KeySetServer {
  fetches = 0;

  private constructor(
    readonly server: Server,
    readonly privateKey: CryptoKey,
    readonly publicPem: string,
    readonly publicJwk: JWK,
  ) {}

  static async open(): Promise<KeySetServer> {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' };
    const server = createServer();
    const issuer = new KeySetServer(server, privateKey, await exportSPKI(publicKey), jwk);
    server.on('request', (_request, response) => {
      issuer.fetches += 1;
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/keys`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}
