/** RSA keys, as the nodes, the configuration servers and the metadata service of the local world hold them. */
import { createHash, createPrivateKey, createPublicKey, type webcrypto } from 'node:crypto';

/** What `openssl genrsa 2048` makes, and what signs with SHA-256 (PKCS#1 v1.5). */
export const RSA_2048 = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
};

/** Answers the key pair of the next node. */
export type KeySource = () => Promise<webcrypto.CryptoKeyPair>;

/** Every node its own key, at some 50 to 300 ms of processor time each. */
export const freshKeys: KeySource = () => crypto.subtle.generateKey(RSA_2048, true, ['sign', 'verify']);

const pems = new WeakMap<webcrypto.CryptoKey, Promise<string>>();

/** The public key as `openssl rsa -pubout` prints it: PEM, SubjectPublicKeyInfo. */
export function publicKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const known = pems.get(key) ?? exportPublicKey(key);
  pems.set(key, known);
  return known;
}

async function exportPublicKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('spki', key));
  return createPublicKey({ key: der, format: 'der', type: 'spki' }).export({ type: 'spki', format: 'pem' }).toString();
}

/** The private key as `openssl genrsa -traditional` prints it, and as Chef writes keys: PEM, PKCS#1. */
export async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ type: 'pkcs1', format: 'pem' })
    .toString();
}

/** SHA-256 of the key's SubjectPublicKeyInfo in DER, lower-case hexadecimal: the same for every spelling of one key. */
export function publicKeySha256(pem: string): string {
  return createHash('sha256')
    .update(createPublicKey(pem).export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

/** Whether the text is a PEM SubjectPublicKeyInfo (`BEGIN PUBLIC KEY`) of an RSA key. */
export function isRsaPublicKeyPem(text: string): boolean {
  // createPublicKey also takes certificates, private keys and PKCS#1, which no service here accepts.
  if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(text)) return false;
  try {
    return createPublicKey(text).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}
