import { isIP } from 'node:net';
import { freshKeys, privateKeyPem, RSA_2048 } from './keys.ts';
import * as x509 from './x509.ts';

const DAY_MILLISECONDS = 24 * 3600 * 1000;

/** A server's certificate and its key, PEM. */
export interface SelfSigned {
  readonly certificate: string;
  readonly privateKey: string;
}

/**
 * What an installer makes for a server without a certificate: one signed by its own key, for loopback when
 * no host is said. It is good for a day of the real time, because TLS goes by no other clock.
 */
export async function selfSigned(...hosts: string[]): Promise<SelfSigned> {
  const names = hosts.length > 0 ? hosts : ['localhost', '127.0.0.1'];
  const keys = await freshKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: [{ CN: names.slice(0, 1) }],
    notBefore: new Date(Date.now() - DAY_MILLISECONDS),
    notAfter: new Date(Date.now() + DAY_MILLISECONDS),
    signingAlgorithm: RSA_2048,
    keys,
    extensions: [
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value }))),
    ],
  });
  return { certificate: certificate.toString('pem'), privateKey: await privateKeyPem(keys.privateKey) };
}
