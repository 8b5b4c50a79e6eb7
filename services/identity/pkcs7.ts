import { createHash, verify } from 'node:crypto';
import { ContentInfo, SignedData } from '@peculiar/asn1-cms';
import { AsnConvert } from '@peculiar/asn1-schema';
import { publicKeyOf, type RegionKey } from './certificates.ts';
import { type Element, encode, fields, oidOf, readDer, Tag } from './der.ts';

/** The parts of an RSA-2048 document signature, without the document itself. */
export interface DocumentSignature {
  /** IssuerAndSerialNumber of the signer's certificate, DER. */
  readonly signer: Buffer;
  /** What is signed: a SET of attributes, DER. One of them is the document's digest. */
  readonly attributes: Buffer;
  readonly signature: Buffer;
}

const CONTENT_TYPE = '1.2.840.113549.1.9.3';
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4';

const pkcs = (...arcs: number[]) =>
  encode(Tag.OBJECT_IDENTIFIER, Buffer.of(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, ...arcs));
const DATA = pkcs(1, 7, 1);
const SIGNED_DATA = pkcs(1, 7, 2);
const NULL = encode(Tag.NULL);
const VERSION_1 = encode(Tag.INTEGER, Buffer.of(1));
/** SHA-256, with the parameters that AWS writes, and without, as RFC 5754 prefers it. */
const SHA256_NAME = encode(Tag.OBJECT_IDENTIFIER, Buffer.of(0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1));
const DIGESTS = [encode(Tag.SEQUENCE, SHA256_NAME, NULL), encode(Tag.SEQUENCE, SHA256_NAME)];
/** PKCS#1 v1.5, under the key's name and under its own: AWS wrote the first until 2018, and writes the second since. */
const RSA_SIGNATURES = [pkcs(1, 1, 1), pkcs(1, 1, 11)].map((name) => encode(Tag.SEQUENCE, name, NULL));

/** AWS splits the document into chunks of this many bytes. */
const PIECE_OCTETS = 1000;

/**
 * Reads the PKCS#7 that the metadata service answers for `rsa2048` (RFC 5652, 5). The library accepts BER, where one value
 * has many encodings. We therefore encode the result again in AWS's forms and in DER, and require an exact match with one of
 * them.
 * @param document the text that the signature has to contain
 * @throws SyntaxError, or an error of the library's, for everything else
 */
export function readSignature(bytes: Buffer, document: string): DocumentSignature {
  const { content } = AsnConvert.parse(bytes, ContentInfo);
  const [info] = AsnConvert.parse(content, SignedData).signerInfos;
  if (!info?.sid.issuerAndSerialNumber) throw new SyntaxError('it names no certificate');
  const read = {
    signer: derOf(info.sid.issuerAndSerialNumber),
    attributes: encode(Tag.SET, ...(info.signedAttrs ?? []).map(derOf)),
    signature: Buffer.from(info.signature.buffer),
  };
  if (!spellingsOf(read, Buffer.from(document)).some((spelling) => spelling.equals(bytes)))
    throw new SyntaxError('it is not written as AWS writes it around this document');
  return read;
}

function derOf(part: object): Buffer {
  return Buffer.from(AsnConvert.serialize(part));
}

/** Whether the Region's key has signed the document. */
export function isSignedBy(key: RegionKey, read: DocumentSignature, document: string): boolean {
  if (read.signer.toString('base64') !== key.signer) return false;
  const attributes = attributesOf(readDer(read.attributes));
  const digest = createHash('sha256').update(document).digest();
  const isOfDocument =
    attributes.get(CONTENT_TYPE)?.equals(DATA) &&
    attributes.get(MESSAGE_DIGEST)?.equals(encode(Tag.OCTET_STRING, digest));
  return isOfDocument === true && verify('sha256', read.attributes, publicKeyOf(key), read.signature);
}

/** The value of each attribute, by its type. @throws SyntaxError unless each type occurs once, with one value */
function attributesOf({ children }: Element): ReadonlyMap<string, Buffer> {
  const attributes = new Map<string, Buffer>();
  for (const attribute of children) {
    const [type, values] = fields(attribute, Tag.OBJECT_IDENTIFIER, Tag.SET);
    const [value, ...more] = values.children;
    if (!value || more.length > 0 || attributes.has(oidOf(type))) throw new SyntaxError('an attribute has two values');
    attributes.set(oidOf(type), value.raw);
  }
  return attributes;
}

function spellingsOf(read: DocumentSignature, document: Buffer): Buffer[] {
  return DIGESTS.flatMap((digest) =>
    RSA_SIGNATURES.flatMap((algorithm) => {
      const info = signerInfo(read, digest, algorithm);
      const inPieces = open(CONSTRUCTED_OCTETS, ...piecesOf(document));
      return [
        spelling(open, digest, inPieces, info),
        spelling(encode, digest, encode(Tag.OCTET_STRING, document), info),
      ];
    }),
  );
}

function signerInfo({ signer, attributes, signature }: DocumentSignature, digest: Buffer, algorithm: Buffer): Buffer {
  const signed = encode(Tag.CONTEXT_0, readDer(attributes).content);
  return encode(Tag.SEQUENCE, VERSION_1, signer, digest, signed, algorithm, encode(Tag.OCTET_STRING, signature));
}

function spelling(write: typeof encode, digest: Buffer, octets: Buffer, info: Buffer): Buffer {
  const content = write(Tag.SEQUENCE, DATA, write(Tag.CONTEXT_0, octets));
  const data = write(Tag.SEQUENCE, VERSION_1, encode(Tag.SET, digest), content, encode(Tag.SET, info));
  return write(Tag.SEQUENCE, SIGNED_DATA, write(Tag.CONTEXT_0, data));
}

/** An OCTET STRING in pieces. */
const CONSTRUCTED_OCTETS = 0x24;

/** An element of BER's indefinite length: two zeros end it. */
function open(tag: number, ...contents: Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.of(tag, 0x80), ...contents, Buffer.of(0, 0)]);
}

function piecesOf(bytes: Buffer): Buffer[] {
  const count = Math.ceil(bytes.length / PIECE_OCTETS);
  return Array.from({ length: count }, (_, index) =>
    encode(Tag.OCTET_STRING, bytes.subarray(index * PIECE_OCTETS, (index + 1) * PIECE_OCTETS)),
  );
}
