import { X509Certificate } from 'node:crypto';
import { InvalidRequest } from '../../lib/errors.ts';

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/;

/**
 * The certificates in a secret. What stands around the PEM blocks is left out: comments, `openssl x509 -text`, Bag Attributes, a
 * byte order mark. No error says anything of a secret's content, nor has a cause: the errors of parsers quote what they parse.
 * @throws InvalidRequest for a private key, for none or an unreadable certificate, and where all have expired
 */
export function certificatesIn(secret: string, text: string): X509Certificate[] {
  refusePrivateKey(secret, text);
  const certificates = (text.match(BLOCK) ?? []).map((pem) => readCertificate(secret, pem));
  if (certificates.length === 0)
    throw new InvalidRequest(
      `The secret ${secret} holds no certificate in PEM: store the file as it is, with its line breaks.`,
    );
  requireValid(secret, certificates);
  return certificates;
}

/** The certificates in PEM, one after another, and nothing else: as documents take them. */
export function certificateText(secret: string, text: string): string {
  return certificatesIn(secret, text)
    .map((certificate) => certificate.toString().trim())
    .join('\n');
}

/** Such a secret may be sent to nodes, or its text to a server. @throws InvalidRequest */
export function refusePrivateKey(secret: string, text: string): void {
  if (PRIVATE_KEY.test(text))
    throw new InvalidRequest(
      `The secret ${secret} is not what it should be: store certificates only. It holds a private key too; replace that key.`,
    );
}

/** A bundle may well hold certificates that have expired, beside those that count. @throws InvalidRequest where all have */
export function requireValid(secret: string, certificates: readonly X509Certificate[]): void {
  const ends = certificates.map(({ validTo }) => Date.parse(validTo));
  const last = Math.max(...ends);
  if (last >= Date.now()) return;
  const date = new Date(last).toISOString().slice(0, 10);
  throw new InvalidRequest(
    `The certificate in the secret ${secret} expired on ${date}: store the one that is used now.`,
  );
}

function readCertificate(secret: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new InvalidRequest(
      `The secret ${secret} holds a certificate that cannot be read: store the file as it is, with its line breaks.`,
    );
  }
}
