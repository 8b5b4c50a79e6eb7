import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidRequest } from '../../lib/errors.ts';

/**
 * The certificates that AWS signs identity documents with: PEM by Region. A Region may have several, so that the new
 * one can be there before AWS takes it into use.
 */
export type RegionCertificates = Readonly<Record<string, string>>;

const ONE_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const FILE = /^([a-z]+(?:-[a-z]+)+-\d+)\.pem$/;

/**
 * The certificates that this function was built with. The build puts services/identity/aws-certificates/ in the place of
 * this variable; the local world sets it, because its metadata service signs with a key of its own.
 * @returns JSON of RegionCertificates, read
 */
export function compiledCertificates(): RegionCertificates {
  const text = process.env.IDENTITY_CERTIFICATES ?? '';
  if (text) return JSON.parse(text);
  throw new InvalidRequest('No AWS certificates were compiled into this function. Build it with `npm run package`.');
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

/** One sentence for each Region whose last certificate has run out by then. */
export function runningOut(certificates: RegionCertificates, then: Date): string[] {
  return Object.keys(certificates).flatMap((region) => {
    const [last] = certificatesOf(region, certificates)
      .map(({ validToDate }) => validToDate)
      .sort((a, b) => b.getTime() - a.getTime());
    if (!last || last > then) return [];
    return [
      `AWS's certificate of ${region} runs out on ${last.toISOString().slice(0, 10)}: add the new one beside it.`,
    ];
  });
}

function faultsOf(file: string, pem: string): string[] {
  if (!FILE.test(file)) return [`${file}: not the name of a Region, as in eu-west-1.pem.`];
  try {
    const certificates = certificatesOf('any', { any: pem });
    const all = certificates.length > 0 && certificates.every(isAwsKind);
    return all ? [] : [`${file}: not a self-signed RSA certificate; take the Region's certificate of the type RSA.`];
  } catch (error) {
    return [`${file}: not certificates in PEM: ${error}`];
  }
}

/** AWS publishes a DSA certificate beside it, for another form of the signature. */
function isAwsKind(certificate: X509Certificate): boolean {
  return certificate.publicKey.asymmetricKeyType === 'rsa' && certificate.verify(certificate.publicKey);
}
