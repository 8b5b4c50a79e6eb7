import { createPrivateKey, X509Certificate } from 'node:crypto';
import * as z from 'zod';
import { InvalidRequest } from '../../../lib/errors.ts';
import { refusePrivateKey, requireValid } from '../certificates.ts';

/** A client certificate and its key: PEM, both. */
const ClientCertificate = z.object({ certificate: z.string(), privateKey: z.string() });

const CERTIFICATE_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What a Puppet Server's CA is spoken to with. */
export interface PuppetCredentials {
  /** The CA's certificates, PEM: the one that signs first, as Puppet's own ca.pem has them. */
  readonly caCertificates: string;
  readonly certificate: string;
  readonly privateKey: string;
  /** The name in the client certificate: the one that auth.conf allows. */
  readonly certname: string;
}

/** A secret: its name in Secrets Manager, and its text. */
export interface Secret {
  readonly name: string;
  readonly text: string;
}

/**
 * Checks both secrets, and that they belong together. No error says anything of a secret's content, nor has a cause:
 * the errors of parsers quote what they parse.
 * @throws InvalidRequest with the secret's name and what it must hold.
 */
export function readPuppetCredentials(ca: Secret, key: Secret): PuppetCredentials {
  const authorities = puppetAuthorities(ca);
  const { certificate, privateKey } = readClientCertificate(key);
  const client = readCertificate(certificate, key.name);
  requireValid(key.name, [client]);
  if (!isKeyOf(privateKey, client))
    throw malformed(key.name, 'in privateKey the private key of its certificate, in PEM and not encrypted');
  if (!authorities.some((authority) => client.checkIssued(authority) && client.verify(authority.publicKey)))
    throw malformed(key.name, `a certificate that the CA in the secret ${ca.name} has signed`);
  return {
    caCertificates: authorities.map(String).join(''),
    certificate,
    privateKey,
    certname: /^CN=(.+)$/m.exec(client.subject)?.[1] ?? client.subject,
  };
}

/** @throws InvalidRequest for a secret without the CA's certificates, with a private key, or whose certificates have expired */
export function puppetAuthorities({ name, text }: Secret): X509Certificate[] {
  refusePrivateKey(name, text);
  const authorities = (text.match(CERTIFICATE_BLOCK) ?? []).map((pem) => readCertificate(pem, name));
  if (authorities.length === 0) throw malformed(name, "the CA's certificates in PEM: Puppet's own ca.pem");
  requireValid(name, authorities);
  return authorities;
}

function readClientCertificate({ name, text }: Secret): z.infer<typeof ClientCertificate> {
  try {
    return ClientCertificate.parse(JSON.parse(text));
  } catch {
    throw malformed(name, 'JSON: {"certificate": PEM, "privateKey": PEM}');
  }
}

function readCertificate(pem: string, name: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw malformed(name, 'a certificate in PEM that can be read');
  }
}

function isKeyOf(privateKey: string, certificate: X509Certificate): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(privateKey));
  } catch {
    return false;
  }
}

function malformed(name: string, expected: string): InvalidRequest {
  return new InvalidRequest(`The secret ${name} is not what it should be: store ${expected}.`);
}
