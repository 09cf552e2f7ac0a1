import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const VALID_MS = 86_400_000;

/** Files in PEM: a certificate for the name `localhost` and for 127.0.0.1, and who has signed it. */
export interface Certificates {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority of this test's own, and a server's certificate that it signed, in `folder`. Names begin with `prefix`. */
export async function makeCertificates(folder: string, prefix = ''): Promise<Certificates> {
  const [authorityKeys, keys] = await Promise.all([newKeys(), newKeys()]);
  const dates = { notBefore: new Date(Date.now() - VALID_MS), notAfter: new Date(Date.now() + VALID_MS) };
  const name = `CN=${prefix}authority of a test`;
  const authority = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...dates,
      name,
      serialNumber: '01',
      keys: authorityKeys,
      signingAlgorithm: ALGORITHM,
      extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
    },
    webcrypto,
  );
  const certificate = await x509.X509CertificateGenerator.create(
    {
      ...dates,
      subject: 'CN=localhost',
      issuer: name,
      serialNumber: '02',
      publicKey: keys.publicKey,
      signingKey: authorityKeys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.SubjectAlternativeNameExtension([
          { type: 'dns', value: 'localhost' },
          { type: 'ip', value: '127.0.0.1' },
        ]),
      ],
    },
    webcrypto,
  );
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const write = (name: string, text: string, mode: number): string => {
    const file = join(folder, `${prefix}${name}`);
    writeFileSync(file, text, { mode });
    return file;
  };
  return {
    caFile: write('ca.crt', authority.toString('pem'), 0o644),
    certFile: write('server.crt', certificate.toString('pem'), 0o644),
    keyFile: write('server.key', x509.PemConverter.encode(key, 'PRIVATE KEY'), 0o600),
  };
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}
