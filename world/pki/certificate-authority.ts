/** The certificate authority inside a Puppet server: signs a node's CSR as `puppetserver ca sign` does. */

import type { webcrypto } from 'node:crypto';
import { KeyObject, X509Certificate } from 'node:crypto';
import { freshKeys, RSA_2048 } from './keys.ts';
import * as x509 from './x509.ts';

const DAY = 24 * 3600 * 1000;
const YEAR = 365 * DAY;
/** Puppet's registered extensions (pp_instance_id …): the ones that a CA copies from the CSR into the certificate. */
const PUPPET_EXTENSIONS = '1.3.6.1.4.1.34380.1.1.';

/** The first common name of a CSR's subject; undefined when it has none. */
export function commonName(csr: x509.Pkcs10CertificateRequest): string | undefined {
  return csr.subjectName.getField('CN')[0];
}

/** Whether the certificate is one that the CA signed. */
export function isSignedBy(certificatePem: string, caCertificatePem: string): boolean {
  return new X509Certificate(certificatePem).verify(new X509Certificate(caCertificatePem).publicKey);
}

/** A certificate and the key to it: PEM, both. */
export interface KeyedCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

export class CertificateAuthority {
  readonly certificatePem: string;
  readonly #certificate: x509.X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;
  #serial = 1;

  private constructor(keys: webcrypto.CryptoKeyPair, certificate: x509.X509Certificate) {
    this.#keys = keys;
    this.#certificate = certificate;
    this.certificatePem = certificate.toString('pem');
  }

  /** A new authority with a key and a self-signed certificate of its own, good for 15 years from `now`. */
  static async create(name: string, now: Date): Promise<CertificateAuthority> {
    const keys = await freshKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: '01',
      name: [{ CN: [name] }],
      notBefore: new Date(now.getTime() - DAY),
      notAfter: new Date(now.getTime() + 15 * YEAR),
      signingAlgorithm: RSA_2048,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return new CertificateAuthority(keys, certificate);
  }

  /** The certificate in PEM for the CSR's subject and key, good for five years. Checks nothing: the caller decides. */
  async sign(csr: x509.Pkcs10CertificateRequest, now: Date, more: x509.Extension[] = []): Promise<string> {
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: (++this.#serial).toString(16).padStart(4, '0'),
      subject: csr.subjectName.toJSON(),
      issuer: this.#certificate.subjectName.toJSON(),
      notBefore: new Date(now.getTime() - DAY),
      notAfter: new Date(now.getTime() + 5 * YEAR),
      signingAlgorithm: RSA_2048,
      publicKey: csr.publicKey,
      signingKey: this.#keys.privateKey,
      extensions: [...(await this.#extensions(csr)), ...more],
    });
    return certificate.toString('pem');
  }

  /** A key of the authority's making and a certificate for it, as `puppetserver ca generate` makes them; with a host: a server's. */
  async generate(certname: string, now: Date, host?: string): Promise<KeyedCertificate> {
    const keys = await freshKeys();
    const extensions = host ? [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: host }])] : [];
    const request = { name: [{ CN: [certname] }], keys, signingAlgorithm: RSA_2048 };
    const csr = await x509.Pkcs10CertificateRequestGenerator.create(request);
    return {
      certificate: await this.sign(csr, now, extensions),
      privateKey: String(KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' })),
    };
  }

  async #extensions(csr: x509.Pkcs10CertificateRequest): Promise<x509.Extension[]> {
    return [
      await x509.AuthorityKeyIdentifierExtension.create(this.#keys.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(csr.publicKey),
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth], true),
      ...csr.extensions.filter(({ type }) => type.startsWith(PUPPET_EXTENSIONS)),
    ];
  }
}
