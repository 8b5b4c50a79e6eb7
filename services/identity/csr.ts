import { createPublicKey } from 'node:crypto';
import type { Instance } from '../../lib/instance.ts';
import type { Identity } from '../../lib/state.ts';
import { type Element, encode, fields, oidOf, readDer, Tag } from './der.ts';
import { keyFingerprint, keyOf, requireOwnSignature } from './key.ts';
import { type Reject, rejecting } from './refusal.ts';

/** What a request for a certificate must agree with. */
export interface RequestPolicy {
  /** Whether elliptic curves are refused. */
  readonly onlyRsa: boolean;
  /** A further name by which the request may call its instance: its id at Systems Manager. */
  readonly managedId?: string | undefined;
}

export type CheckedRequest = Pick<Identity, 'csr' | 'publicKey' | 'publicKeyFingerprint'>;

/** A request with an RSA-8192 key and three extensions is under 3 kB. */
const LARGEST_BYTES = 4096;

/** 2.5.4.3, in DER. */
const COMMON_NAME = Buffer.of(Tag.OBJECT_IDENTIFIER, 3, 0x55, 4, 3);
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';

/** Puppet's registered extensions that the control plane can vouch for. https://www.puppet.com/docs/puppet/8/ssl_attributes_extensions.html */
const PP_INSTANCE_ID = '1.3.6.1.4.1.34380.1.1.2';
const PP_IMAGE_NAME = '1.3.6.1.4.1.34380.1.1.3';
const PP_REGION = '1.3.6.1.4.1.34380.1.1.18';
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
/** Puppet's authorization extensions: what a node writes here, its server believes. */
const AUTHORIZATION = '1.3.6.1.4.1.34380.1.3.';

/**
 * Checks a request for a certificate (PKCS#10) before anything is signed: it proves that the node has the key, and asks
 * for nothing but the name that the control plane has for it.
 * @param text PEM, from the node or from the request of its enrolment: untrusted.
 * @returns the request in its one spelling, and its key
 * @throws IdentityRejected with the rule that is broken.
 */
export function checkRequest(text: string, instance: Instance, policy: RequestPolicy): CheckedRequest {
  const reject = rejecting(instance.instanceId);
  const pem = text.replaceAll('\r\n', '\n').trim();
  const { info, subject, spki, attributes, algorithm, signature } = parts(bytesOf(pem, reject), reject);
  requireSubject(subject, instance.nodeName, reject);
  requireKnownExtensions(attributes, instance, policy, reject);
  const key = keyOf(spki.raw, policy.onlyRsa, reject);
  requireOwnSignature(info.raw, algorithm, signature, key, reject);
  return {
    csr: pem,
    publicKey: key.export({ type: 'spki', format: 'pem' }).toString().trim(),
    publicKeyFingerprint: keyFingerprint(key),
  };
}

/** The fingerprint of the key in a request that may be anyone's; undefined where there is none to be read. */
export function requestKeyFingerprint(pem: string): string | undefined {
  const reject = rejecting('the request');
  try {
    const { spki } = parts(Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64'), reject);
    return keyFingerprint(createPublicKey({ key: spki.raw, format: 'der', type: 'spki' }));
  } catch {
    return undefined;
  }
}

/** Only the one spelling that these bytes have: what follows, precedes or hides between the lines has no place in it. */
function bytesOf(pem: string, reject: Reject): Buffer {
  const [begin, end] = ['-----BEGIN CERTIFICATE REQUEST-----\n', '\n-----END CERTIFICATE REQUEST-----'];
  const bytes = Buffer.from(pem.slice(begin.length, -end.length), 'base64');
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  if (pem !== `${begin}${lines.join('\n')}${end}`)
    throw reject('csr-pem', 'its CSR is not exactly one PEM block "CERTIFICATE REQUEST" in lines of 64 characters');
  if (bytes.length > LARGEST_BYTES) throw reject('csr-pem', `its CSR is longer than ${LARGEST_BYTES} bytes`);
  return bytes;
}

/** RFC 2986, 4. */
function parts(bytes: Buffer, reject: Reject) {
  try {
    const request = readDer(bytes);
    const [info, algorithm, signature] = fields(request, Tag.SEQUENCE, Tag.SEQUENCE, Tag.BIT_STRING);
    const [version, subject, spki, attributes] = fields(info, Tag.INTEGER, Tag.SEQUENCE, Tag.SEQUENCE, Tag.CONTEXT_0);
    if (request.tag !== Tag.SEQUENCE) throw new SyntaxError('its structure is another');
    if (!version.content.equals(Buffer.of(0))) throw new SyntaxError('its version is another');
    return { info, subject, spki, attributes, algorithm, signature };
  } catch (cause) {
    throw reject('csr-der', `its CSR is not a PKCS#10 request in DER: ${reasonOf(cause)}`, cause);
  }
}

/** One common name and nothing else, in one of the two spellings that OpenSSL has for it. */
function requireSubject({ raw }: Element, nodeName: string, reject: Reject): void {
  const spellings = [Tag.UTF8_STRING, Tag.PRINTABLE_STRING].map((tag) => {
    const name = encode(Tag.SEQUENCE, COMMON_NAME, encode(tag, Buffer.from(nodeName)));
    return encode(Tag.SEQUENCE, encode(Tag.SET, name));
  });
  if (!spellings.some((spelling) => raw.equals(spelling)))
    throw reject('csr-subject', `the subject of its CSR is not CN=${nodeName} and nothing else`);
}

/** Puppet copies a request's extensions into the certificate: what is not known to be true has no place there. */
function requireKnownExtensions(
  attributes: Element,
  { instanceId, nodeName, region, imageId }: Instance,
  { managedId }: RequestPolicy,
  reject: Reject,
): void {
  const allowed = new Map([
    [PP_INSTANCE_ID, { name: 'pp_instance_id', values: [instanceId, nodeName, managedId] }],
    [PP_IMAGE_NAME, { name: 'pp_image_name', values: [imageId] }],
    [PP_REGION, { name: 'pp_region', values: [region] }],
  ]);
  for (const { type, value } of extensionsOf(attributes, reject)) {
    const one = allowed.get(type);
    if (!one) throw reject('csr-extension', `its CSR asks for ${nameOf(type)}, which no node may choose for itself`);
    // Each may be there once.
    allowed.delete(type);
    const values = one.values.filter((text) => typeof text === 'string');
    if (!values.some((text) => value.equals(encode(Tag.UTF8_STRING, Buffer.from(text)))))
      throw reject('csr-extension', `the ${one.name} of its CSR is not ${values[0] ?? 'known to be so'}`);
  }
}

function extensionsOf(attributes: Element, reject: Reject): { type: string; value: Buffer }[] {
  try {
    if (attributes.children.length === 0) return [];
    const [attribute] = fields(attributes, Tag.SEQUENCE);
    const [type, values] = fields(attribute, Tag.OBJECT_IDENTIFIER, Tag.SET);
    if (oidOf(type) !== EXTENSION_REQUEST) throw new SyntaxError(`it has the attribute ${oidOf(type)}`);
    const [extensions] = fields(values, Tag.SEQUENCE);
    return extensions.children.map((extension) => {
      if (extension.tag !== Tag.SEQUENCE) throw new SyntaxError('its structure is another');
      // Neither a critical one nor one that says in so many words that it is not.
      const [oid, value] = fields(extension, Tag.OBJECT_IDENTIFIER, Tag.OCTET_STRING);
      return { type: oidOf(oid), value: value.content };
    });
  } catch (cause) {
    throw reject(
      'csr-extension',
      `its CSR asks for more than extensions that are not critical: ${reasonOf(cause)}`,
      cause,
    );
  }
}

function nameOf(extension: string): string {
  if (extension === SUBJECT_ALTERNATIVE_NAME) return 'further names (subjectAltName)';
  return extension.startsWith(AUTHORIZATION)
    ? `Puppet's authorization extension ${extension}`
    : `the extension ${extension}`;
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
