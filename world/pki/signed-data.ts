/** PKCS#7 SignedData (RFC 5652, 5), in BER, as the metadata service has written it since 2021. */
import { createHash } from 'node:crypto';
import type * as x509 from './x509.ts';

const oid = (...octets: number[]) => der(0x06, Buffer.from(octets));
const pkcs = (...arcs: number[]) => oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, ...arcs);
const DATA = pkcs(7, 1);
const SIGNED_DATA = pkcs(7, 2);
const VERSION_1 = der(0x02, Buffer.of(1));
const SHA256 = der(0x30, oid(0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1), der(0x05));
const RSA_WITH_SHA256 = der(0x30, pkcs(1, 11), der(0x05));

/** The content, signed with attributes: the certificate is named and not included. */
export async function signedData(
  content: Buffer,
  certificate: x509.X509Certificate,
  now: Date,
  sign: (bytes: Buffer) => Promise<ArrayBuffer>,
): Promise<Buffer> {
  const time = now.toISOString().replace(/[-:T]/g, '').slice(2, 14);
  const attributes = [
    attribute(pkcs(9, 3), DATA),
    attribute(pkcs(9, 5), der(0x17, Buffer.from(`${time}Z`))),
    // RFC 6211: the algorithms, so that no other one can be written beside the signature.
    attribute(pkcs(9, 52), der(0x30, SHA256, der(0xa1, pkcs(1, 11), der(0x05)))),
    attribute(pkcs(9, 4), der(0x04, createHash('sha256').update(content).digest())),
  ];
  const signature = Buffer.from(await sign(der(0x31, ...attributes)));
  const signer = [
    VERSION_1,
    signerOf(certificate),
    SHA256,
    der(0xa0, ...attributes),
    RSA_WITH_SHA256,
    der(0x04, signature),
  ];
  const data = open(0x30, DATA, open(0xa0, open(0x24, ...pieces(content))));
  const signed = open(0x30, VERSION_1, der(0x31, SHA256), data, der(0x31, der(0x30, ...signer)));
  return open(0x30, SIGNED_DATA, open(0xa0, signed));
}

/** IssuerAndSerialNumber. */
function signerOf({ issuerName, serialNumber }: x509.X509Certificate): Buffer {
  return der(0x30, Buffer.from(issuerName.toArrayBuffer()), der(0x02, Buffer.from(serialNumber, 'hex')));
}

function attribute(type: Buffer, value: Buffer): Buffer {
  return der(0x30, type, der(0x31, value));
}

function pieces(content: Buffer): Buffer[] {
  const piece = 1000;
  const count = Math.ceil(content.length / piece);
  return Array.from({ length: count }, (_, index) => der(0x04, content.subarray(index * piece, (index + 1) * piece)));
}

function der(tag: number, ...contents: Buffer[]): Buffer {
  const { length } = Buffer.concat(contents);
  const octets = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...octets), ...contents]);
}

/** Of BER's indefinite length. */
function open(tag: number, ...contents: Buffer[]): Buffer {
  return Buffer.concat([Buffer.of(tag, 0x80), ...contents, Buffer.of(0, 0)]);
}
