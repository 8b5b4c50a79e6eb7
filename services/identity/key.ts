import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { type Element, oidOf, Tag } from './der.ts';
import type { Reject } from './refusal.ts';

const SMALLEST_RSA_BITS = 2048;
const LARGEST_RSA_BITS = 8192;
/** FIPS 186-5: smaller exponents are no secret's friend, and 1 is none at all. */
const SMALLEST_RSA_EXPONENT = 65_537n;

/** The signatures by SHA-256 or better, by their names (RFC 4055, RFC 5758), and the kind of key that makes them. */
const SIGNATURES = new Map([
  ['1.2.840.113549.1.1.11', { hash: 'sha256', key: 'rsa' }],
  ['1.2.840.113549.1.1.12', { hash: 'sha384', key: 'rsa' }],
  ['1.2.840.113549.1.1.13', { hash: 'sha512', key: 'rsa' }],
  ['1.2.840.10045.4.3.2', { hash: 'sha256', key: 'ec' }],
  ['1.2.840.10045.4.3.3', { hash: 'sha384', key: 'ec' }],
  ['1.2.840.10045.4.3.4', { hash: 'sha512', key: 'ec' }],
]);

/** P-256, P-384 and P-521 by OpenSSL's names: the length of such a key, and where in it its point begins. */
const EC_KEYS = new Map([
  ['prime256v1', { bytes: 91, pointAt: 26 }],
  ['secp384r1', { bytes: 120, pointAt: 23 }],
  ['secp521r1', { bytes: 158, pointAt: 25 }],
]);

/** SEC 1, 2.3.3: the point as x and y. A hybrid point (6 or 7) has the same length, and is another spelling. */
const UNCOMPRESSED = 4;

/** The key, if it is one that a server should have a node known by. */
export function keyOf(spki: Buffer, onlyRsa: boolean, reject: Reject): KeyObject {
  const kinds = `RSA of ${SMALLEST_RSA_BITS} to ${LARGEST_RSA_BITS} bits${onlyRsa ? '' : ', P-256, P-384 or P-521'}`;
  try {
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    // Another spelling of a key would have another fingerprint.
    const isCanonical = key.export({ type: 'spki', format: 'der' }).equals(spki);
    if (isCanonical && (isRsa(key) || (!onlyRsa && isEc(key, spki)))) return key;
  } catch (cause) {
    // OpenSSL reads some keys that it cannot write, such as the point at infinity.
    throw reject('csr-key', `the key of its CSR cannot be read: it has to be ${kinds}`, cause);
  }
  throw reject('csr-key', `the key of its CSR is not ${kinds}`);
}

function isRsa({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {};
  const isLongEnough = modulusLength >= SMALLEST_RSA_BITS && modulusLength <= LARGEST_RSA_BITS;
  return asymmetricKeyType === 'rsa' && isLongEnough && publicExponent >= SMALLEST_RSA_EXPONENT;
}

function isEc({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, spki: Buffer): boolean {
  const known = EC_KEYS.get(asymmetricKeyDetails?.namedCurve ?? '');
  return asymmetricKeyType === 'ec' && spki.length === known?.bytes && spki[known.pointAt] === UNCOMPRESSED;
}

/** SHA-256 of the SPKI DER, in hexadecimal pairs with colons. OpsWorks does not say which fingerprint it expects. */
export function keyFingerprint(key: KeyObject): string {
  const digest = createHash('sha256').update(key.export({ type: 'spki', format: 'der' }));
  return (digest.digest('hex').match(/../g) ?? []).join(':');
}

/** Requires that the request is signed, as its algorithm says, by its own key: its maker has that key. */
export function requireOwnSignature(
  info: Buffer,
  algorithm: Element,
  { content }: Element,
  key: KeyObject,
  reject: Reject,
): void {
  const [name, parameters, ...more] = algorithm.children;
  const known = name?.tag === Tag.OBJECT_IDENTIFIER ? SIGNATURES.get(oidOf(name)) : undefined;
  // RSA's algorithms have a NULL after their name, those of curves nothing.
  const isComplete = more.length === 0 && (known?.key === 'rsa' ? parameters?.tag === Tag.NULL : !parameters);
  if (!known || !isComplete || known.key !== key.asymmetricKeyType)
    throw reject(
      'csr-algorithm',
      'its CSR is not signed with SHA-256, SHA-384 or SHA-512 by the kind of key that it has',
    );
  // The first octet of a BIT STRING tells how many of its last bits are none.
  if (content[0] !== 0 || !isSignedBy(key, known.hash, info, content.subarray(1)))
    throw reject('csr-signature', 'the signature of its CSR is not by its key');
}

function isSignedBy(key: KeyObject, hash: string, bytes: Buffer, signature: Buffer): boolean {
  try {
    return verify(hash, bytes, key, signature);
  } catch {
    // OpenSSL has errors for some signatures that no key has made, and false for others.
    return false;
  }
}
