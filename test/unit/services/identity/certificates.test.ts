import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { certificatesOf, keysOf, readCertificates, runningOut } from '../../../../services/identity/certificates.ts';
import { IdentitySigner } from '../../../../world/machines/identity.ts';
import { hasOpenssl, root, workshop } from '../../../support/certificate-requests.ts';

const FOLDER = join(root, 'services/identity/aws-certificates');
const CERTIFICATES = readCertificates(FOLDER);
const README = readFileSync(join(FOLDER, 'README.md'), 'utf8');
const HALF_A_YEAR_MILLISECONDS = 182 * 24 * 3600 * 1000;

describe('the certificates of AWS', () => {
  it('do not expire within half a year', () => {
    expect(runningOut(CERTIFICATES, new Date(Date.now() + HALF_A_YEAR_MILLISECONDS))).toEqual([]);
  });

  it('are watched: the first to expire is named', () => {
    expect(runningOut(CERTIFICATES, new Date('2195-02-01T00:00:00Z'))).toContain(
      "AWS's certificate of us-east-1 expires on 2195-01-17: add the new one beside it.",
    );
  });

  it('cover the 39 public Regions', () => {
    expect(Object.keys(CERTIFICATES)).toHaveLength(39);
    expect(Object.keys(CERTIFICATES)).toEqual(expect.arrayContaining(['ap-southeast-6', 'eusc-de-east-1']));
  });

  it('are compiled in as keys of 2048 bits, each with the certificate that its signatures name', () => {
    const keys = keysOf(CERTIFICATES);
    const signers = Object.values(keys).flatMap((ofRegion) => ofRegion.map(({ signer }) => signer));
    expect(signers).toEqual(signers.map(() => expect.stringMatching(/^MGkwXDELMAkGA1UE/)));
    expect(new Set(signers).size).toBe(39);
  });

  it('are those of the Regions that the README lists, with the days that it says', () => {
    const listed = [...README.matchAll(/^\| `([a-z0-9-]+)` \| (\S+) \| (\S+) \|$/gm)].map(([, ...row]) => row);
    const there = Object.keys(CERTIFICATES).flatMap((region) =>
      certificatesOf(region, CERTIFICATES).map(({ validFromDate, validToDate }) => [
        region,
        day(validFromDate),
        day(validToDate),
      ]),
    );
    expect(listed).toEqual(there);
  });

  it('are Amazon’s, of the type RSA-2048', () => {
    for (const region of Object.keys(CERTIFICATES)) {
      const [certificate, ...more] = certificatesOf(region, CERTIFICATES);
      expect(certificate?.subject).toMatch(/O=Amazon(\.com Inc\.| Web Services LLC)/);
      expect(certificate?.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048);
      expect(more).toEqual([]);
    }
  });
});

describe('a folder of certificates', () => {
  it('may hold several for a Region', async () => {
    const pem = await certificate();
    const read = readCertificates(
      folderWith({ 'eu-west-1.pem': `${pem}\n${await certificate()}`, 'README.md': 'Read me.' }),
    );
    expect(certificatesOf('eu-west-1', read)).toHaveLength(2);
    expect(certificatesOf('eu-west-2', read)).toEqual([]);
  });

  it('is refused with one sentence for each fault', async () => {
    const files = {
      'ireland.pem': await certificate(),
      'eu-west-1.pem': 'nonsense',
      'eu-west-2.pem': NOT_A_CERTIFICATE,
    };
    const folder = folderWith(files);
    expect(() => readCertificates(folder)).toThrow(
      [
        `${folder}/eu-west-1.pem: not a self-signed RSA certificate; take the Region's certificate of the type RSA-2048.`,
        `${folder}/eu-west-2.pem: not certificates in PEM: `,
      ].join('\n'),
    );
    expect(() => readCertificates(folder)).toThrow(
      `${folder}/ireland.pem: not the name of a Region, as in eu-west-1.pem.`,
    );
  });

  it.runIf(hasOpenssl)('may hold one of 1024 bits, which counts only where none has 2048', async () => {
    const weak = weakCertificate();
    const read = readCertificates(
      folderWith({ 'eu-west-1.pem': weak, 'eu-west-2.pem': `${weak}${await certificate()}` }),
    );
    const { 'eu-west-1': one = [], 'eu-west-2': other = [] } = keysOf(read);
    expect(one.map(({ signer }) => typeof signer)).toEqual(['undefined']);
    expect(other.map(({ signer }) => typeof signer)).toEqual(['string']);
  });

  it.runIf(hasOpenssl)('is refused with AWS’s other kind of certificate, DSA', () => {
    const { openssl, read } = workshop();
    openssl('dsaparam', '-out', 'parameters', '1024');
    openssl('gendsa', '-out', 'key', 'parameters');
    openssl('req', '-x509', '-new', '-key', 'key', '-out', 'dsa.pem', '-subj', '/O=Amazon Web Services LLC');
    expect(() => readCertificates(folderWith({ 'eu-west-1.pem': read('dsa.pem') }))).toThrow('of the type RSA-2048');
  });
});

const NOT_A_CERTIFICATE = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

async function certificate(): Promise<string> {
  return (await IdentitySigner.create(new Date())).certificatePem;
}

function weakCertificate(): string {
  const { openssl, read } = workshop();
  openssl('req', '-x509', '-newkey', 'rsa:1024', '-nodes', '-keyout', 'key', '-out', 'weak.pem', '-subj', '/O=Amazon');
  return read('weak.pem');
}

function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'muster-certificates-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
