import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { identityKeysText } from '../../lib/config.ts';
import { InvalidRequest } from '../../lib/errors.ts';
import { encode, readDer, Tag } from './der.ts';

/**
 * The certificates that AWS signs identity documents with: PEM by Region. A Region may have several, so that the new
 * one can be there before AWS takes it into use.
 */
export type RegionCertificates = Readonly<Record<string, string>>;

/** What a function needs of them, by Region: less than half of their size. */
export type RegionKeys = Readonly<Record<string, readonly RegionKey[]>>;

export interface RegionKey {
  /** SPKI, DER, Base64. */
  readonly publicKey: string;
  /**
   * IssuerAndSerialNumber of its certificate, DER, Base64: the PKCS#7 of a key of 2048 bits names it. Missing for a key of
   * 1024 bits, whose signature stands alone.
   */
  readonly signer?: string;
  /** When its certificate expires: ISO 8601. */
  readonly validTo: string;
}

const ONE_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const FILE = /^([a-z]+(?:-[a-z]+)+-\d+)\.pem$/;

/**
 * The keys that this function was built with: those of services/identity/aws-certificates/, or in the local world that of
 * its metadata service.
 */
export function compiledKeys(): RegionKeys {
  const text = identityKeysText();
  if (text) return JSON.parse(text);
  throw new InvalidRequest('No keys of AWS were compiled into this function. Build it with `npm run package`.');
}

/**
 * The keys of certificates that were read before: what the build compiles in. Where a Region has a key of 2048 bits, one of
 * 1024 is left out, so that nothing falls back to it.
 */
export function keysOf(certificates: RegionCertificates): RegionKeys {
  const keys = Object.keys(certificates).map((region) => {
    const all = certificatesOf(region, certificates);
    const strong = all.filter(isStrong);
    return [region, (strong.length > 0 ? strong : all).map(keyOf)] as const;
  });
  return Object.fromEntries(keys);
}

function keyOf(certificate: X509Certificate): RegionKey {
  const { publicKey, validToDate } = certificate;
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return {
    publicKey: der.toString('base64'),
    validTo: validToDate.toISOString(),
    ...(isStrong(certificate) && { signer: signerOf(certificate).toString('base64') }),
  };
}

function isStrong({ publicKey }: X509Certificate): boolean {
  return publicKey.asymmetricKeyDetails?.modulusLength === 2048;
}

/** RFC 5280, 4.1: version, serial number, signature, issuer. */
function signerOf({ raw }: X509Certificate): Buffer {
  const [, serial, , issuer] = readDer(raw).children[0]?.children ?? [];
  if (!serial || !issuer) throw new SyntaxError('it has no issuer');
  return encode(Tag.SEQUENCE, issuer.raw, serial.raw);
}

/** The key as it was compiled in, to verify with. */
export function publicKeyOf({ publicKey }: RegionKey): KeyObject {
  return createPublicKey({ key: Buffer.from(publicKey, 'base64'), type: 'spki', format: 'der' });
}

/** The Region's certificates, parsed; none where none are known. */
export function certificatesOf(region: string, certificates: RegionCertificates): X509Certificate[] {
  return (certificates[region]?.match(ONE_CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem));
}

/**
 * Reads and checks a folder of REGION.pem files.
 * @throws InvalidRequest with one sentence for each fault: file and what is expected.
 */
export function readCertificates(folder: string): RegionCertificates {
  const files = readdirSync(folder).filter((file) => file.endsWith('.pem'));
  const faults = files.flatMap((file) => faultsOf(file, readFileSync(join(folder, file), 'utf8')));
  if (faults.length > 0) throw new InvalidRequest(faults.map((fault) => `${folder}/${fault}`).join('\n'));
  return Object.fromEntries(
    files.map((file) => [file.replace(FILE, '$1'), readFileSync(join(folder, file), 'utf8').trim()]),
  );
}

/** One sentence for each Region whose last certificate expires before then. */
export function runningOut(certificates: RegionCertificates, then: Date): string[] {
  return Object.keys(certificates).flatMap((region) => {
    const [last] = certificatesOf(region, certificates)
      .map(({ validToDate }) => validToDate)
      .sort((a, b) => b.getTime() - a.getTime());
    if (!last || last > then) return [];
    return [`AWS's certificate of ${region} expires on ${last.toISOString().slice(0, 10)}: add the new one beside it.`];
  });
}

function faultsOf(file: string, pem: string): string[] {
  if (!FILE.test(file)) return [`${file}: not the name of a Region, as in eu-west-1.pem.`];
  try {
    const certificates = certificatesOf('any', { any: pem });
    const all = certificates.length > 0 && certificates.every(isAwsKind);
    keysOf({ any: pem });
    return all
      ? []
      : [`${file}: not a self-signed RSA certificate; take the Region's certificate of the type RSA-2048.`];
  } catch (error) {
    return [`${file}: not certificates in PEM: ${error}`];
  }
}

/** AWS publishes a DSA certificate too, for another form of the signature. */
function isAwsKind(certificate: X509Certificate): boolean {
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  const isKnownLength = [1024, 2048].includes(asymmetricKeyDetails?.modulusLength ?? 0);
  return asymmetricKeyType === 'rsa' && isKnownLength && certificate.verify(certificate.publicKey);
}
