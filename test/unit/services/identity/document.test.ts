import { generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { IdentityOutdated, IdentityRejected } from '../../../../lib/errors.ts';
import type { Instance } from '../../../../lib/instance.ts';
import { keysOf } from '../../../../services/identity/certificates.ts';
import { type DocumentTrust, requireOwnDocument, type ShownDocument } from '../../../../services/identity/document.ts';
import { IdentitySigner, identityDocument } from '../../../../world/machines/identity.ts';
import { hasOpenssl, INSTANCE, workshop } from '../../../support/certificate-requests.ts';

const NOW = '2030-06-07T08:09:10.000Z';
const signer = await IdentitySigner.create(new Date('2030-01-01T00:00:00Z'));
const stranger = await IdentitySigner.create(new Date('2030-01-01T00:00:00Z'));
const TRUST: DocumentTrust = {
  keys: keysOf({ 'eu-west-1': signer.certificatePem }),
  now: NOW,
  accountId: INSTANCE.accountId,
};

const MACHINE = {
  instanceId: INSTANCE.instanceId,
  imageId: INSTANCE.imageId ?? '',
  instanceType: 't3.micro',
  architecture: 'x86_64',
  availabilityZone: 'eu-west-1a',
  privateIp: '10.0.0.1',
  launchedAt: new Date('2030-01-02T03:04:05Z'),
};
const DOCUMENT = identityDocument(MACHINE);
const OTHER_DOCUMENT = DOCUMENT.replace('t3.micro', 't3.large');
const SHOWN = await signer.sign(DOCUMENT);
const OF_OTHER = await signer.sign(OTHER_DOCUMENT);
const BY_A_STRANGER = await stranger.sign(DOCUMENT);
const BYTES = Buffer.from(SHOWN.rsa2048, 'base64');

function checking(shown: ShownDocument = SHOWN, trust = TRUST, instance: Instance = INSTANCE) {
  return () => requireOwnDocument(shown, instance, trust);
}

/** The rule that is broken; undefined where none is. */
function rule(shown: ShownDocument, trust = TRUST, instance: Instance = INSTANCE) {
  try {
    return requireOwnDocument(shown, instance, trust);
  } catch (error) {
    if (error instanceof IdentityRejected) return error.rule;
    throw error;
  }
}

/** The document with other bytes for its PKCS#7. */
const with2048 = (bytes: Buffer): ShownDocument => ({ ...SHOWN, rsa2048: bytes.toString('base64') });

describe('an instance identity document', () => {
  it('is taken as its Region’s AWS signed it', () => {
    expect(checking()).not.toThrow();
  });

  it('may be so long that its signature has it in pieces', async () => {
    const document = DOCUMENT.replace('null', JSON.stringify(Array(300).fill('code')));
    expect(document.length).toBeGreaterThan(2000);
    expect(rule(await signer.sign(document))).toBeUndefined();
  });

  it('needs its RSA-2048 signature alone, where AWS has published a certificate for it', () => {
    expect(rule({ ...SHOWN, signature: '' })).toBeUndefined();
    expect(rule({ ...SHOWN, rsa2048: '' })).toBe('document-form');
  });

  it.runIf(hasOpenssl)('is signed by the local world as openssl understands it', () => {
    const { openssl, write } = workshop();
    write('certificate', signer.certificatePem);
    write('key', new X509Certificate(signer.certificatePem).publicKey.export({ type: 'spki', format: 'pem' }));
    write('document', SHOWN.document);
    write('signature', Buffer.from(SHOWN.signature, 'base64'));
    expect(openssl('dgst', '-sha256', '-verify', 'key', '-signature', 'signature', 'document')).toContain('OK');
    // As AWS's guide says it.
    write('rsa2048', `-----BEGIN PKCS7-----\n${SHOWN.rsa2048}\n-----END PKCS7-----\n`);
    const inPem = ['-in', 'rsa2048', '-inform', 'PEM', '-certfile', 'certificate', '-noverify'];
    expect(openssl('smime', '-verify', ...inPem)).toBe(DOCUMENT);
  });

  it.each([
    ['one letter of it is another', 'document-form', { ...SHOWN, document: OTHER_DOCUMENT }],
    ['it is printed anew', 'document-form', { ...SHOWN, document: JSON.stringify(JSON.parse(DOCUMENT)) }],
    ['its signature is around another document', 'document-form', { ...SHOWN, rsa2048: OF_OTHER.rsa2048 }],
    ['a stranger signed it', 'document-signature', BY_A_STRANGER],
    ['a stranger signed it in the name of AWS', 'document-signature', with2048(inTheNameOfAws())],
    ['one bit of the signature is another', 'document-signature', with2048(flipped(BYTES, BYTES.length - 20))],
    ['the signed digest is another document’s', 'document-signature', with2048(withAttributesOf(OF_OTHER.rsa2048))],
    ['its signature is no Base64', 'document-form', { ...SHOWN, rsa2048: `${SHOWN.rsa2048}!` }],
    ['its signature is in another spelling', 'document-form', { ...SHOWN, rsa2048: `${SHOWN.rsa2048}\r\n` }],
    ['something follows its signature', 'document-form', with2048(Buffer.concat([BYTES, Buffer.of(5, 0)]))],
    ['its signature is cut off', 'document-form', with2048(BYTES.subarray(0, -1))],
    ['its signature is no PKCS#7', 'document-form', with2048(Buffer.from('nonsense'))],
    ['its signature is nested without end', 'document-form', with2048(Buffer.alloc(8000, Buffer.of(0x30, 0x80)))],
    ['only the signature of 1024 bits is there', 'document-form', { ...SHOWN, rsa2048: SHOWN.signature }],
  ])('is refused when %s: %s', (_what, expected, shown) => {
    expect(rule(shown)).toBe(expected);
  });

  it('is refused with a sentence', () => {
    expect(checking(BY_A_STRANGER)).toThrow(
      `${INSTANCE.instanceId} is not enrolled: the signature of its identity document is not by AWS in eu-west-1`,
    );
  });

  it('is refused when another Region’s AWS signed it', () => {
    const keys = keysOf({ 'eu-west-1': stranger.certificatePem, 'us-east-1': signer.certificatePem });
    expect(checking(SHOWN, { ...TRUST, keys })).toThrow('is not by AWS in eu-west-1');
  });

  it.each([
    ['instanceId', { instanceId: 'i-0fedcba9876543210' }],
    ['region', { region: 'us-east-1' }],
  ])('is refused when its %s is not what the control plane says', (name, other) => {
    const trust = { ...TRUST, keys: { ...TRUST.keys, ...keysOf({ 'us-east-1': signer.certificatePem }) } };
    expect(checking(SHOWN, trust, { ...INSTANCE, ...other })).toThrow(
      `the ${name} of its identity document is not ${Object.values(other)[0]}`,
    );
  });

  it('is refused when it is another account’s, whatever EC2 says', () => {
    const ofAnother = { ...TRUST, accountId: '210987654321' };
    expect(rule(SHOWN, ofAnother)).toBe('document-account');
    expect(rule(SHOWN, ofAnother, { ...INSTANCE, accountId: '210987654321' })).toBe('document-account');
    expect(checking(SHOWN, ofAnother)).toThrow(
      "the accountId of its identity document is not 210987654321, the stack's own.",
    );
  });

  it.each(['', '210987654321'])('is refused when EC2 shows the instance in the account "%s"', (accountId) => {
    expect(rule(SHOWN, TRUST, { ...INSTANCE, accountId })).toBe('document-account');
  });

  it.each([
    '',
    'null',
    '[]',
    '{"instanceId":7}',
    DOCUMENT.replace(/"pendingTime" : "[^"]+"/, '"pendingTime" : "soon"'),
  ])('is refused when AWS signed something else: %s', async (text) => {
    expect(checking(await signer.sign(text))).toThrow('its identity document cannot be read');
  });

  /** A stranger's signature, naming the certificate of AWS. */
  function inTheNameOfAws(): Buffer {
    const theirs = Buffer.from(BY_A_STRANGER.rsa2048, 'base64');
    return Buffer.concat([BYTES.subarray(0, -262), theirs.subarray(-262)]);
  }

  /** All that is signed, and its signature, of another document's PKCS#7: of the same length. */
  function withAttributesOf(rsa2048: string): Buffer {
    const theirs = Buffer.from(rsa2048, 'base64');
    const at = BYTES.indexOf(Buffer.of(0x31, 0x82), BYTES.indexOf('}'));
    return Buffer.concat([BYTES.subarray(0, at), theirs.subarray(at)]);
  }

  function flipped(bytes: Buffer, at: number): Buffer {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  }
});

describe('the age of an identity document', () => {
  const launchedAt = (launchTime: string | null) => checking(SHOWN, TRUST, { ...INSTANCE, launchTime });

  it.each(['2030-01-02T03:04:05Z', '2030-01-02T03:09:05Z', '2030-01-01T00:00:00Z'])(
    'is right for a launch at %s: the same, minutes later as another clock notes it, or any time before',
    (launchTime) => {
      expect(launchedAt(launchTime)).not.toThrow();
    },
  );

  it('is a reason to ask again, and no rejection, when EC2 says that the instance was launched since', () => {
    expect(launchedAt('2030-01-02T03:09:06Z')).toThrow(IdentityOutdated);
    expect(launchedAt('2030-01-02T03:09:06Z')).toThrow(
      'The identity document of i-0123456789abcdef0 is of 2030-01-02T03:04:05Z, and EC2 says that it was launched at ' +
        '2030-01-02T03:09:06Z.',
    );
    expect(launchedAt(null)).toThrow(IdentityOutdated);
  });

  it('is asked for only where all else is right', () => {
    const later = { ...INSTANCE, launchTime: '2031-01-01T00:00:00Z' };
    expect(rule(BY_A_STRANGER, TRUST, later)).toBe('document-signature');
    expect(rule(SHOWN, { ...TRUST, accountId: '210987654321' }, later)).toBe('document-account');
  });
});

describe.runIf(hasOpenssl)('a PKCS#7 by openssl', () => {
  /** Signed by a key of openssl's, with the options that are given. `second` is another certificate of the same key. */
  function signed(options: string[], known: 'certificate' | 'second' = 'certificate') {
    const { openssl, read, readBytes, write } = workshop();
    const newKey = ['-newkey', 'rsa:2048', '-nodes', '-keyout', 'key', '-subj', '/O=Amazon'];
    openssl('req', '-x509', ...newKey, '-days', '36500', '-out', 'certificate');
    openssl('req', '-x509', '-key', 'key', '-subj', '/O=Amazon', '-days', '36500', '-out', 'second');
    write('document', DOCUMENT);
    const by = ['-signer', 'certificate', '-inkey', 'key', '-in', 'document', '-out', 'signed', '-outform', 'DER'];
    openssl('cms', '-sign', '-binary', ...by, ...options);
    const trust = { ...TRUST, keys: keysOf({ 'eu-west-1': read(known) }) };
    return rule(with2048(readBytes('signed')), trust);
  }
  const AS_AWS = ['-nodetach', '-nocerts', '-md', 'sha256', '-nosmimecap'];

  it.each([
    ['DER', AS_AWS],
    ['BER, in pieces, as AWS writes it', [...AS_AWS, '-stream']],
  ])('is taken in %s', (_what, options) => {
    expect(signed(options)).toBeUndefined();
  });

  it.each([
    ['its certificate in it', ['-nodetach', '-md', 'sha256', '-nosmimecap']],
    ['the document outside of it', ['-nocerts', '-md', 'sha256', '-nosmimecap']],
    ['no attributes', [...AS_AWS, '-noattr']],
    ['another digest', ['-nodetach', '-nocerts', '-md', 'sha512', '-nosmimecap']],
    ['another padding', [...AS_AWS, '-keyopt', 'rsa_padding_mode:pss']],
    ['the key’s name for its certificate’s', [...AS_AWS, '-keyid']],
  ])('is refused with %s', (_what, options) => {
    expect(signed(options)).toBe('document-form');
  });

  it('is refused when it names another certificate than the Region’s, also of the same key', () => {
    expect(signed(AS_AWS, 'second')).toBe('document-signature');
  });
});

describe('a Region whose only certificate has 1024 bits', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  const trust = { ...TRUST, keys: { 'eu-west-1': [{ publicKey: spki, validTo: '2040-01-01T00:00:00.000Z' }] } };
  const signature = sign('sha256', Buffer.from(DOCUMENT), privateKey).toString('base64');
  const shown = { document: DOCUMENT, signature, rsa2048: '' };

  it('has the signature that stands alone checked, also from the script of an earlier version', () => {
    expect(rule(shown, trust)).toBeUndefined();
    expect(rule({ ...shown, rsa2048: undefined }, trust)).toBeUndefined();
  });

  it.each([
    ['one letter of the document is another', { ...shown, document: OTHER_DOCUMENT }],
    ['there is no signature', { ...shown, signature: '' }],
    ['the signature is no Base64', { ...shown, signature: `${signature}!` }],
    ['the signature is too long', { ...shown, signature: `${signature}\nAAAA` }],
    ['a stranger signed it', BY_A_STRANGER],
  ])('refuses a node when %s', (_what, wrong) => {
    expect(rule(wrong, trust)).toBe('document-signature');
  });
});

describe('the certificates of a Region', () => {
  it('are named by file where there are none', () => {
    expect(checking(SHOWN, { ...TRUST, keys: {} })).toThrow(
      "AWS's certificate of eu-west-1 is not known: add it as services/identity/aws-certificates/eu-west-1.pem",
    );
  });

  it('are good until the last of them expires', async () => {
    const next = await IdentitySigner.create(new Date('2035-01-01T00:00:00Z'));
    const keys = keysOf({ 'eu-west-1': `${signer.certificatePem}\n${next.certificatePem}\n` });
    for (const shown of [SHOWN, await next.sign(DOCUMENT)]) expect(checking(shown, { ...TRUST, keys })).not.toThrow();
    const later = { ...TRUST, keys, now: '2042-01-01T00:00:00.000Z' };
    expect(checking(SHOWN, later)).toThrow('is not by AWS');
    expect(checking(await next.sign(DOCUMENT), later)).not.toThrow();
    expect(checking(SHOWN, { ...TRUST, keys, now: '2046-01-01T00:00:00.000Z' })).toThrow(
      "AWS's certificate of eu-west-1 expired on 2044-12-29: add the new one to",
    );
  });
});
