import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { certificateText } from '../../../../services/config-servers/certificates.ts';
import { puppetAuthorities, readPuppetCredentials } from '../../../../services/config-servers/puppet/credentials.ts';
import { CertificateAuthority, type KeyedCertificate } from '../../../../world/pki/certificate-authority.ts';

const { Resources } = parse(readFileSync('resources/documents.yml', 'utf8'));
const { allowedPattern } = Resources.InstallChefDocument.Properties.Content.parameters.TrustedCertificates;
const YEAR = 365 * 24 * 60 * 60 * 1000;
const ago = (years: number) => new Date(Date.now() - years * YEAR);

let authority: CertificateAuthority;
let old: CertificateAuthority;
let client: KeyedCertificate;
beforeAll(async () => {
  authority = await CertificateAuthority.create('CA', new Date());
  old = await CertificateAuthority.create('Old CA', ago(20));
  client = await authority.generate('muster-enrol', ago(6));
});

describe('the certificates of a secret', () => {
  it.each<[string, (pem: string) => string]>([
    ['as they are', (pem) => pem],
    ['with a byte order mark', (pem) => `\ufeff${pem}`],
    ['with comments', (pem) => `# ours\n${pem}\n# it’s "theirs"\n${pem}`],
    ['with the output of openssl x509 -text', (pem) => `Certificate:\n    Data:\n        Version: 3 (0x2)\n${pem}`],
    ['with Bag Attributes', (pem) => `Bag Attributes\n    friendlyName: CA\nsubject=CN = CA\n${pem}\n`],
    ['with the line ends of Windows', (pem) => pem.replaceAll('\n', '\r\n')],
    ['with blanks at the line ends', (pem) => pem.replaceAll('\n', ' \n')],
    ['beside one that has expired', (pem) => `${old.certificatePem}\n${pem}`],
  ])('%s reach the node in a form that its document takes', (_what, write) => {
    const text = certificateText('chef/ca', write(authority.certificatePem));
    expect(text).toMatch(new RegExp(`^(?:${allowedPattern})$`));
    expect(text).toContain(authority.certificatePem.trim());
  });

  it.each(['RSA ', 'EC ', 'ENCRYPTED ', ''])(
    'are refused with a %sprivate key among them, by name and without a word of it',
    (kind) => {
      const text = `${authority.certificatePem}\n-----BEGIN ${kind}PRIVATE KEY-----\nhunter2\n-----END ${kind}PRIVATE KEY-----\n`;
      const sentence =
        /^The secret ca is not what it should be: store certificates only\. It holds a private key too; replace that key\.$/;
      expect(() => certificateText('ca', text)).toThrow(sentence);
      expect(() => puppetAuthorities({ name: 'ca', text })).toThrow(sentence);
    },
  );

  it('are refused where all have expired, with the day', () => {
    const sentence = /^The certificate in the secret ca expired on \d{4}-\d\d-\d\d: store the one that is used now\.$/;
    expect(() => certificateText('ca', old.certificatePem)).toThrow(sentence);
    expect(() => puppetAuthorities({ name: 'ca', text: old.certificatePem })).toThrow(sentence);
  });

  it('are refused where there is none, or one that cannot be read', () => {
    expect(() => certificateText('ca', 'hunter2')).toThrow(/^The secret ca holds no certificate in PEM/);
    const broken = '-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----';
    expect(() => certificateText('ca', broken)).toThrow(/^The secret ca holds a certificate that cannot be read/);
  });
});

it('a client certificate that has expired is named', () => {
  const key = { name: 'puppet/enrol', text: JSON.stringify(client) };
  expect(() => readPuppetCredentials({ name: 'puppet/ca', text: authority.certificatePem }, key)).toThrow(
    /^The certificate in the secret puppet\/enrol expired on /,
  );
});
