import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { readPuppetCredentials } from '../../../../../services/config-servers/puppet/credentials.ts';
import { CertificateAuthority, type KeyedCertificate } from '../../../../../world/pki/certificate-authority.ts';

let authority: CertificateAuthority;
let other: CertificateAuthority;
let enrol: KeyedCertificate;
let foreign: KeyedCertificate;

beforeAll(async () => {
  authority = await CertificateAuthority.create('Puppet CA', new Date());
  other = await CertificateAuthority.create('Another CA', new Date());
  enrol = await authority.generate('muster-enrol', new Date());
  foreign = await other.generate('muster-enrol', new Date());
});

const read = (ca: string, key: string) =>
  readPuppetCredentials({ name: 'puppet/ca', text: ca }, { name: 'puppet/enrol', text: key });

describe('the secrets of a Puppet Server', () => {
  it('are a client certificate with its key, and the CA that signed it', () => {
    expect(read(authority.certificatePem, JSON.stringify(enrol))).toMatchObject({ ...enrol, certname: 'muster-enrol' });
  });

  it('may hold more than one CA, with words between, in the order of the file', () => {
    const text = `# the one that signs\n${authority.certificatePem}\n\n# the root\n${other.certificatePem}\n`;
    const { caCertificates } = read(text, JSON.stringify(enrol));
    expect(caCertificates.replaceAll('\n', '')).toBe(
      `${authority.certificatePem}${other.certificatePem}`.replaceAll('\n', ''),
    );
  });

  const encrypted = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'a' },
  }).privateKey;

  it.each<[string, string, () => [ca: string, key: string]]>([
    ['a CA that is none', 'puppet/ca', () => ['nothing', JSON.stringify(enrol)]],
    ['a CA that is a key', 'puppet/ca', () => [enrol.privateKey, JSON.stringify(enrol)]],
    ['a CA that is cut off', 'puppet/ca', () => [cut(authority.certificatePem), JSON.stringify(enrol)]],
    ['a key that is not JSON', 'puppet/enrol', () => [authority.certificatePem, enrol.privateKey]],
    ['no certificate', 'puppet/enrol', () => withKey({ privateKey: enrol.privateKey })],
    ['a certificate that is cut off', 'puppet/enrol', () => withKey({ ...enrol, certificate: cut(enrol.certificate) })],
    ['another key', 'puppet/enrol', () => withKey({ ...enrol, privateKey: foreign.privateKey })],
    ['a key that is cut off', 'puppet/enrol', () => withKey({ ...enrol, privateKey: cut(enrol.privateKey) })],
    ['an encrypted key', 'puppet/enrol', () => withKey({ ...enrol, privateKey: encrypted })],
    ['a certificate of another CA', 'puppet/enrol', () => withKey(foreign)],
  ])('are refused with %s, by the name of the secret and without a word of it', (_, secret, texts) => {
    const error = errorOf(() => read(...texts()));
    expect(error.name).toBe('InvalidRequest');
    expect(error.message).toMatch(new RegExp(`^The secret ${secret} is not what it should be: store .+\\.$`));
    expect(error.cause).toBeUndefined();
  });

  const withKey = (key: object): [string, string] => [authority.certificatePem, JSON.stringify(key)];
});

function cut(pem: string): string {
  return pem.replace(/(.{64}\n){3}/, '');
}

function errorOf(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  throw new Error('Nothing was refused.');
}
