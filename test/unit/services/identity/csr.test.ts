import { createECDH, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { IdentityRejected } from '../../../../lib/errors.ts';
import type { Instance } from '../../../../lib/instance.ts';
import { checkRequest, type RequestPolicy } from '../../../../services/identity/csr.ts';
import { encode, Tag } from '../../../../services/identity/der.ts';
import * as requests from '../../../support/certificate-requests.ts';

const { INSTANCE, derOf, extension, extensionRequest, name, opensslOn, pemOf, puppetOid, requestOf } = requests;

const PUPPET: RequestPolicy = { onlyRsa: false };
const CHEF: RequestPolicy = { onlyRsa: true };

/** The rule that the request breaks, or the request. */
function verdict(pem: string, policy = PUPPET, instance: Instance = INSTANCE) {
  try {
    return checkRequest(pem, instance, policy);
  } catch (error) {
    if (error instanceof IdentityRejected) return error.rule;
    throw error;
  }
}

const ID = '1.3.6.1.4.1.34380.1.1.2=ASN1:UTF8String:i-0123456789abcdef0';
const IMAGE = '1.3.6.1.4.1.34380.1.1.3=ASN1:UTF8String:ami-0fedcba9876543210';
const REGION = '1.3.6.1.4.1.34380.1.1.18=ASN1:UTF8String:eu-west-1';

/** A request by openssl: its own defaults and what is said here. */
interface Made {
  key?: string[];
  digest?: string;
  subject?: string;
  extensions?: string[];
  more?: string[];
}

const RSA_2048 = ['-newkey', 'rsa:2048'];
const curve = (curve: string, ...more: string[]) => [
  '-newkey',
  'ec',
  '-pkeyopt',
  `ec_paramgen_curve:${curve}`,
  ...more,
];

function make({ key = curve('P-256'), digest = '-sha256', subject, extensions = [], more = [] }: Made): string {
  const { openssl, read } = requests.workshop();
  const additions = extensions.flatMap((extension) => ['-addext', extension]);
  const named = ['-subj', subject ?? `/CN=${INSTANCE.nodeName}`];
  openssl('req', '-new', '-nodes', '-keyout', 'key', '-out', 'csr', ...key, digest, ...named, ...additions, ...more);
  return read('csr');
}

const GOOD: [string, Made][] = [
  ['RSA-2048 and SHA-256', { key: RSA_2048 }],
  ['RSA-3072 and SHA-384', { key: ['-newkey', 'rsa:3072'], digest: '-sha384' }],
  ['RSA-2049 and SHA-512', { key: ['-newkey', 'rsa:2049'], digest: '-sha512' }],
  ['P-256', {}],
  ['P-384', { key: curve('P-384'), digest: '-sha384' }],
  ['P-521', { key: curve('P-521'), digest: '-sha512' }],
  ['all that the control plane knows', { extensions: [ID, IMAGE, REGION] }],
];

const HOSTILE: [string, string, Made][] = [
  ['MD5', 'csr-algorithm', { key: RSA_2048, digest: '-md5' }],
  ['SHA-1', 'csr-algorithm', { key: RSA_2048, digest: '-sha1' }],
  ['SHA-1 by a curve', 'csr-algorithm', { digest: '-sha1' }],
  ['SHA-224', 'csr-algorithm', { digest: '-sha224' }],
  ['PSS', 'csr-algorithm', { key: RSA_2048, more: ['-sigopt', 'rsa_padding_mode:pss'] }],
  ['RSA-1024', 'csr-key', { key: ['-newkey', 'rsa:1024'] }],
  ['RSA-2047', 'csr-key', { key: ['-newkey', 'rsa:2047'] }],
  ['RSA with the exponent 3', 'csr-key', { key: [...RSA_2048, '-pkeyopt', 'rsa_keygen_pubexp:3'] }],
  ['an RSA-PSS key', 'csr-key', { key: ['-newkey', 'rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048'] }],
  ['secp256k1', 'csr-key', { key: curve('secp256k1') }],
  ['P-224', 'csr-key', { key: curve('secp224r1') }],
  ['a curve that the request itself defines', 'csr-key', { key: curve('P-256', '-pkeyopt', 'ec_param_enc:explicit') }],
  ['Ed25519', 'csr-key', { key: ['-newkey', 'ed25519'] }],
  ['another name', 'csr-subject', { subject: '/CN=i-0fedcba9876543210' }],
  ['its name in capitals', 'csr-subject', { subject: '/CN=I-0123456789ABCDEF0' }],
  ['its name and a dot', 'csr-subject', { subject: `/CN=${INSTANCE.nodeName}.` }],
  ['no name', 'csr-subject', { subject: '/' }],
  ['an organization beside its name', 'csr-subject', { subject: `/O=A/CN=${INSTANCE.nodeName}` }],
  ['two names', 'csr-subject', { subject: `/CN=${INSTANCE.nodeName}/CN=puppet` }],
  ['two names in one', 'csr-subject', { subject: `/CN=${INSTANCE.nodeName}+CN=puppet`, more: ['-multivalue-rdn'] }],
  ['a further name', 'csr-extension', { extensions: ['subjectAltName=DNS:puppet'] }],
  ['an authorization', 'csr-extension', { extensions: ['1.3.6.1.4.1.34380.1.3.1=ASN1:UTF8String:true'] }],
  ['a role', 'csr-extension', { extensions: ['1.3.6.1.4.1.34380.1.1.13=ASN1:UTF8String:database'] }],
  ['an extension that nobody knows', 'csr-extension', { extensions: ['1.2.3.4=ASN1:UTF8String:x'] }],
  ['a certificate authority’s powers', 'csr-extension', { extensions: ['basicConstraints=critical,CA:TRUE'] }],
  ['a purpose', 'csr-extension', { extensions: ['extendedKeyUsage=serverAuth'] }],
  ['another pp_instance_id', 'csr-extension', { extensions: [ID.replace('i-0', 'i-1')] }],
  ['another pp_image_name', 'csr-extension', { extensions: [`${IMAGE}1`] }],
  ['another pp_region', 'csr-extension', { extensions: [REGION.replace('eu', 'us')] }],
  ['a pp_instance_id in another type', 'csr-extension', { extensions: [ID.replace('UTF8String', 'IA5STRING')] }],
  ['a critical pp_instance_id', 'csr-extension', { extensions: [ID.replace('=', '=critical,')] }],
];

describe.runIf(requests.hasOpenssl)('a CSR by openssl', () => {
  it.each(GOOD)('is taken with %s', (_what, made) => {
    const pem = make(made);
    expect(opensslOn(pem)).toMatchObject({ accepts: true, subject: `CN=${INSTANCE.nodeName}` });
    const { openssl, write } = requests.workshop();
    write('csr', pem);
    const publicKey = openssl('req', '-in', 'csr', '-noout', '-pubkey').trim();
    expect(verdict(pem)).toMatchObject({ csr: pem.trim(), publicKey });
  });

  it.each(HOSTILE)('is refused with %s: %s', (_what, rule, made) => {
    expect(verdict(make(made))).toBe(rule);
  });

  it('is refused with a password, which servers of old kept in the clear', () => {
    const { openssl, read, write } = requests.workshop();
    const section = `[req]\nprompt=no\ndistinguished_name=dn\nattributes=more\n[dn]\nCN=${INSTANCE.nodeName}\n`;
    write('config', `${section}[more]\nchallengePassword=secret\n`);
    openssl('req', '-new', '-nodes', '-keyout', 'key', '-out', 'csr', ...curve('P-256'), '-config', 'config');
    expect(verdict(read('csr'))).toBe('csr-extension');
  });

  it('is taken where the control plane’s name is a Lightsail name', () => {
    const lightsail = { ...INSTANCE, platform: 'lightsail' as const, instanceId: 'Web_1.a', nodeName: 'web_1.a' };
    expect(verdict(make({ subject: '/CN=web_1.a' }), PUPPET, lightsail)).toMatchObject({ csr: expect.any(String) });
    expect(verdict(make({ subject: '/CN=Web_1.a' }), PUPPET, lightsail)).toBe('csr-subject');
  });

  it('may call its instance by its id at Systems Manager', () => {
    const pem = make({ extensions: [ID.replace(/i-.*/, 'mi-0123456789abcdef0')] });
    expect(verdict(pem, { ...PUPPET, managedId: 'mi-0123456789abcdef0' })).toMatchObject({ csr: pem.trim() });
    expect(verdict(pem)).toBe('csr-extension');
  });

  it('is refused with a curve where the server takes RSA alone', () => {
    expect(verdict(make({}), CHEF)).toBe('csr-key');
    expect(verdict(make({ key: RSA_2048 }), CHEF)).toMatchObject({ csr: expect.any(String) });
  });

  it('is refused with the image that the control plane does not tell', () => {
    expect(verdict(make({ extensions: [IMAGE] }), PUPPET, { ...INSTANCE, imageId: null })).toBe('csr-extension');
  });
});

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spki = ec.publicKey.export({ type: 'spki', format: 'der' });
const own = { privateKey: ec.privateKey, spki };
const GOOD_DER = requestOf(own);
const GOOD_PEM = pemOf(GOOD_DER);

/** Base64 whose last letter says more than there are octets for. A curve's signatures differ in length. */
function withBitsAfterItsEnd(): string {
  const pem = pemOf(requestOf(own));
  const changed = pem.replace(/[AQgw]==\n/, 'B==\n');
  return changed === pem ? withBitsAfterItsEnd() : changed;
}

describe('the text of a CSR', () => {
  it('is taken with the line ends of Windows and with space around it', () => {
    expect(verdict(`\n${GOOD_PEM.replaceAll('\n', '\r\n')}\n`)).toEqual(verdict(GOOD_PEM));
    expect(verdict(GOOD_PEM)).toMatchObject({ csr: GOOD_PEM.trim() });
  });

  it.each([
    ['nothing', ''],
    ['only its first line', '-----BEGIN CERTIFICATE REQUEST-----'],
    ['two requests', `${GOOD_PEM}${GOOD_PEM}`],
    ['a key after it', `${GOOD_PEM}-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n`],
    ['words before it', `Certificate Request:\n${GOOD_PEM}`],
    ['another label', pemOf(GOOD_DER, 'NEW CERTIFICATE REQUEST')],
    ['a certificate', pemOf(GOOD_DER, 'CERTIFICATE')],
    ['headers', GOOD_PEM.replace('\n', '\nProc-Type: 4,ENCRYPTED\n\n')],
    [
      'lines of another length',
      GOOD_PEM.replaceAll('\n', '').replace('T-----', 'T-----\n').replace('-----E', '\n-----E'),
    ],
    ['a space', GOOD_PEM.replace('\nM', '\n M')],
    ['bits after its end', withBitsAfterItsEnd()],
    ['more than is read', pemOf(Buffer.alloc(5000, GOOD_DER))],
  ])('is refused with %s', (_what, pem) => {
    expect(verdict(pem)).toBe('csr-pem');
  });
});

/** Puts `bytes` in the place of the only `part` in `whole`, and leaves lengths as they are. */
function replaced(whole: Buffer, part: Buffer, bytes: Buffer): Buffer {
  const at = whole.indexOf(part);
  return Buffer.concat([whole.subarray(0, at), bytes, whole.subarray(at + part.length)]);
}

describe('the bytes of a CSR', () => {
  const attributes = (...all: Buffer[]) => ({ ...own, attributes: encode(Tag.CONTEXT_0, ...all) });
  const id = extension(puppetOid(2), INSTANCE.instanceId);
  const empty = encode(Tag.CONTEXT_0);
  const compressed = createECDH('prime256v1');
  compressed.generateKeys();
  const point = compressed.getPublicKey(null, 'compressed');
  /** In a P-256 key of 91 octets: id-ecPublicKey and the curve. */
  const algorithm = spki.subarray(2, 23);

  it.each([
    ['nothing', 'csr-der', Buffer.alloc(1)],
    ['another tag', 'csr-der', Buffer.concat([Buffer.of(0x70), GOOD_DER.subarray(1)])],
    ['something after its end', 'csr-der', Buffer.concat([GOOD_DER, Buffer.alloc(3)])],
    ['its end missing', 'csr-der', GOOD_DER.subarray(0, -1)],
    [
      'a length that BER tells at the end',
      'csr-der',
      replaced(GOOD_DER, GOOD_DER.subarray(0, 3), Buffer.of(0x30, 0x80)),
    ],
    ['a length in more octets than it needs', 'csr-der', requestOf({ ...own, attributes: Buffer.of(0xa0, 0x81, 0) })],
    [
      'a constructed string',
      'csr-der',
      requestOf({ ...own, subject: replaced(name('a'), Buffer.of(0x0c), Buffer.of(0x2c)) }),
    ],
    ['a version in two octets', 'csr-der', requestOf({ ...own, version: Buffer.of(Tag.INTEGER, 2, 0, 0) })],
    ['another version', 'csr-der', requestOf({ ...own, version: Buffer.of(Tag.INTEGER, 1, 1) })],
    ['no attributes', 'csr-der', requestOf({ ...own, attributes: Buffer.alloc(0) })],
    ['attributes twice', 'csr-der', requestOf({ ...own, attributes: Buffer.concat([empty, empty]) })],
    ['more depth than sense', 'csr-der', requestOf({ ...own, subject: nested(40) })],
    [
      'a set that is not sorted',
      'csr-der',
      requestOf(attributes(encode(Tag.SET, Buffer.of(5, 0), Buffer.of(1, 1, 0)))),
    ],
    [
      'an extension that is critical in no words',
      'csr-extension',
      requestOf(attributes(extensionRequest(extension(puppetOid(2), INSTANCE.instanceId, Buffer.of(1, 1, 0))))),
    ],
    ['an extension twice', 'csr-extension', requestOf(attributes(extensionRequest(id, id)))],
    [
      'a request for extensions twice',
      'csr-extension',
      requestOf(attributes(extensionRequest(id), extensionRequest(id))),
    ],
    [
      'an extension beside the extension’s value',
      'csr-extension',
      requestOf(attributes(extensionRequest(extension(puppetOid(2), `${INSTANCE.instanceId}\0`)))),
    ],
    ['a name with a zero in it', 'csr-subject', requestOf({ ...own, subject: name(`${INSTANCE.nodeName}\0.evil`) })],
    [
      'an algorithm with parameters that it has not',
      'csr-algorithm',
      requestOf({
        ...own,
        algorithm: encode(Tag.SEQUENCE, Buffer.of(6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2), requests.NULL),
      }),
    ],
    [
      'an algorithm of another kind of key',
      'csr-algorithm',
      requestOf({
        ...own,
        algorithm: encode(Tag.SEQUENCE, Buffer.of(6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11), requests.NULL),
      }),
    ],
    ['a signature by another key', 'csr-signature', requestOf({ ...own, privateKey: other.privateKey })],
    [
      'a signature over something else',
      'csr-signature',
      replaced(GOOD_DER, spki, other.publicKey.export({ type: 'spki', format: 'der' })),
    ],
    [
      'a point off its curve',
      'csr-key',
      requestOf({ ...own, spki: Buffer.concat([spki.subarray(0, -1), Buffer.of((spki.at(-1) ?? 0) ^ 1)]) }),
    ],
    ['a point cut short', 'csr-key', requestOf({ ...own, spki: withPoint(algorithm, point) })],
    ['the point at infinity', 'csr-key', requestOf({ ...own, spki: withPoint(algorithm, Buffer.of(0)) })],
    ...['P-256', 'P-384', 'P-521'].map((curve): [string, string, Buffer] => {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
      return [`a ${curve} point in hybrid form`, 'csr-key', requestOf({ privateKey, spki: hybrid(publicKey) })];
    }),
    ['a key in another spelling', 'csr-key', requestOf({ ...own, spki: rsaWithoutParameters() })],
    ['an RSA key longer than anybody needs', 'csr-key', requestOf({ ...own, spki: rsaOf(8200, 65_537) })],
    ['an RSA key with the exponent 1', 'csr-key', requestOf({ ...own, spki: rsaOf(2048, 1) })],
  ])('are refused with %s: %s', (_what, rule, der) => {
    expect(verdict(pemOf(der))).toBe(rule);
  });

  it('are taken with all that may be in them', () => {
    const all = attributes(
      extensionRequest(id, extension(puppetOid(3), INSTANCE.imageId ?? ''), extension(puppetOid(18), INSTANCE.region)),
    );
    expect(verdict(pemOf(requestOf(all)))).toMatchObject({ csr: expect.any(String) });
  });

  /** A sequence in a sequence in a sequence … */
  function nested(depth: number): Buffer {
    return depth === 0 ? encode(Tag.SEQUENCE) : encode(Tag.SEQUENCE, nested(depth - 1));
  }

  function withPoint(kind: Buffer, bytes: Buffer): Buffer {
    return encode(Tag.SEQUENCE, kind, encode(Tag.BIT_STRING, Buffer.of(0), bytes));
  }

  /** The same key and the same length: OpenSSL reads it, and writes it again as it was. */
  function hybrid(key: KeyObject): Buffer {
    const bytes = key.export({ type: 'spki', format: 'der' });
    // x and y, of the same length, end the key; the octet before them says in which form they are.
    const at = bytes.lastIndexOf(Buffer.of(0, 4)) + 1;
    bytes[at] = 6 + ((bytes.at(-1) ?? 0) & 1);
    return bytes;
  }

  /** OpenSSL reads it, and writes a NULL into it. */
  function rsaWithoutParameters(): Buffer {
    const usual = rsaOf(2048, 65_537);
    const key = usual.subarray(usual.indexOf(Buffer.of(Tag.NULL, 0, Tag.BIT_STRING)) + 2);
    return encode(Tag.SEQUENCE, encode(Tag.SEQUENCE, usual.subarray(6, 17)), key);
  }

  function rsaOf(bits: number, exponent: number): Buffer {
    const n = Buffer.alloc(bits / 8, 0xff).toString('base64url');
    const e = Buffer.of(exponent >> 16, (exponent >> 8) & 0xff, exponent & 0xff).toString('base64url');
    return createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' }).export({ type: 'spki', format: 'der' });
  }
});

describe('the sentence of a refusal', () => {
  it.each([
    [pemOf(requestOf({ ...own, subject: name('puppet') })), 'the subject of its CSR is not CN=i-0123456789abcdef0'],
    ['nonsense', 'its CSR is not exactly one PEM block'],
    [pemOf(Buffer.from('nonsense')), 'its CSR is not a PKCS#10 request in DER: it is cut off'],
  ])('names the instance and the rule', (pem, sentence) => {
    expect(() => checkRequest(pem, INSTANCE, PUPPET)).toThrow(`i-0123456789abcdef0 is not enrolled: ${sentence}`);
  });

  it('names what nobody may ask for', () => {
    const asking = (dotted: Buffer) =>
      pemOf(requestOf({ ...own, attributes: encode(Tag.CONTEXT_0, extensionRequest(extension(dotted, 'x'))) }));
    expect(() => checkRequest(asking(Buffer.of(6, 3, 0x55, 0x1d, 0x11)), INSTANCE, PUPPET)).toThrow(/subjectAltName/);
    expect(() => checkRequest(asking(puppetOid(13)), INSTANCE, PUPPET)).toThrow('1.3.6.1.4.1.34380.1.1.13');
  });
});

it('the derived parts of a request agree with its own text', () => {
  const checked = checkRequest(GOOD_PEM, INSTANCE, PUPPET);
  expect(checked.publicKeyFingerprint).toMatch(/^([0-9a-f]{2}:){31}[0-9a-f]{2}$/);
  expect(createPublicKey(checked.publicKey).equals(ec.publicKey)).toBe(true);
  expect(derOf(checked.csr)).toEqual(GOOD_DER);
});
