/**
 * The instance metadata service's part in a node's identity: the instance identity document and its signatures, made
 * with a key of this world that is born at start and never leaves the process.
 */
import type { webcrypto } from 'node:crypto';
import { ACCOUNT_ID, regionOf } from '../kernel/account.ts';
import { freshKeys, type KeySource, RSA_2048 } from '../pki/keys.ts';
import { signedData } from '../pki/signed-data.ts';
import * as x509 from '../pki/x509.ts';

/** What the control plane knows of a machine and writes into its identity document. */
export interface Machine {
  /** `i-…`; of a managed Lightsail instance, its `mi-…` id in Systems Manager. */
  readonly instanceId: string;
  readonly imageId: string;
  readonly instanceType: string;
  readonly architecture: string;
  readonly availabilityZone: string;
  readonly privateIp: string;
  /** When it was last started. */
  readonly launchedAt: Date;
}

/** As the node reads them from `/latest/dynamic/instance-identity/`. */
export interface SignedIdentity {
  /** The document's exact bytes: parsing and printing it again breaks the signature. */
  readonly document: string;
  /** `/signature`: over the document's bytes. Base64 over several lines, as the metadata service serves it. */
  readonly signature: string;
  /** `/rsa2048`: PKCS#7 with the document in it, likewise. */
  readonly rsa2048: string;
}

const YEAR = 365 * 24 * 3600 * 1000;

/** The document's text, spelled as the metadata service spells it (keys sorted, a space on both sides of the colon). */
export function identityDocument(machine: Machine): string {
  const document = {
    accountId: ACCOUNT_ID,
    architecture: machine.architecture,
    availabilityZone: machine.availabilityZone,
    billingProducts: null,
    devpayProductCodes: null,
    marketplaceProductCodes: null,
    imageId: machine.imageId,
    instanceId: machine.instanceId,
    instanceType: machine.instanceType,
    kernelId: null,
    pendingTime: machine.launchedAt.toISOString().replace(/\.\d+Z$/, 'Z'),
    privateIp: machine.privateIp,
    ramdiskId: null,
    region: regionOf(machine),
    version: '2017-09-30',
  };
  return JSON.stringify(document, null, 2).replaceAll(/^( {2}"\w+"):/gm, '$1 :');
}

/** Signs identity documents as AWS does, with RSA-2048 and SHA-256 (PKCS#1 v1.5); where AWS has two keys, this has one. */
export class IdentitySigner {
  /** The public half, as AWS publishes its own for each Region: a self-signed certificate in PEM. */
  readonly certificatePem: string;
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #certificate: x509.X509Certificate;

  private constructor(keys: webcrypto.CryptoKeyPair, certificate: x509.X509Certificate) {
    this.#keys = keys;
    this.#certificate = certificate;
    this.certificatePem = certificate.toString('pem');
  }

  static async create(now: Date, keySource: KeySource = freshKeys): Promise<IdentitySigner> {
    const keys = await keySource();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: '01',
      name: [{ CN: ['Instance identity of the local world'] }],
      notBefore: now,
      notAfter: new Date(now.getTime() + 10 * YEAR),
      signingAlgorithm: RSA_2048,
      keys,
    });
    return new IdentitySigner(keys, certificate);
  }

  async sign(document: string, now = new Date()): Promise<SignedIdentity> {
    const sign = (bytes: Buffer) => crypto.subtle.sign(RSA_2048.name, this.#keys.privateKey, bytes);
    const content = Buffer.from(document);
    const rsa2048 = await signedData(content, this.#certificate, now, sign);
    return { document, signature: inLines(Buffer.from(await sign(content)), 64), rsa2048: inLines(rsa2048, 76) };
  }

  verify({ document, signature }: Pick<SignedIdentity, 'document' | 'signature'>): Promise<boolean> {
    const bytes = Buffer.from(signature, 'base64');
    return crypto.subtle.verify(RSA_2048.name, this.#keys.publicKey, bytes, Buffer.from(document));
  }
}

function inLines(bytes: Buffer, characters: number): string {
  return (bytes.toString('base64').match(new RegExp(`.{1,${characters}}`, 'g')) ?? []).join('\n');
}
