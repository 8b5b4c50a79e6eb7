import { constants, createHash, type KeyObject, privateEncrypt, sign } from 'node:crypto';

/** Versions of the protocol: 1.3 since Chef Server 12.4, 1.1 for what is older, 1.0 for what is older still. */
export type SignatureVersion = '1.0' | '1.1' | '1.3';

/** What is signed of a request. */
export interface SignedRequest {
  readonly method: string;
  /** The path of the URL, without its query. */
  readonly path: string;
  /** As it is sent; empty where there is none. */
  readonly body: string;
  readonly timestamp: Date;
  /** The name of the client or user whose key signs. */
  readonly userId: string;
  /** The version of the server's API that the request asks for; version 1.3 signs it. */
  readonly apiVersion: string;
}

const ALGORITHMS = { '1.0': 'sha1', '1.1': 'sha1', '1.3': 'sha256' } as const;

/**
 * The headers with which a Chef Infra Server knows who sends a request:
 * ```
 * X-Ops-Sign: algorithm=sha256;version=1.3;
 * X-Ops-Userid: shop-validator
 * X-Ops-Timestamp: 2031-05-06T07:08:09Z
 * X-Ops-Content-Hash: 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
 * X-Ops-Authorization-1: the signature in base64, 60 characters in each header
 * X-Ops-Authorization-2: …
 * ```
 * @param key an RSA private key
 * Source: Chef Infra Server API, Authentication headers; mixlib-authentication's SignedHeaderAuth.
 */
export function signatureHeaders(request: SignedRequest, key: KeyObject, version: SignatureVersion) {
  const signature = signText(canonicalRequest(request, version), key, version).toString('base64');
  const lines = signature.match(/.{1,60}/g) ?? [];
  return {
    'X-Ops-Sign': `algorithm=${ALGORITHMS[version]};version=${version};`,
    'X-Ops-Userid': request.userId,
    'X-Ops-Timestamp': canonicalTime(request.timestamp),
    'X-Ops-Content-Hash': hash(request.body, version),
    ...Object.fromEntries(lines.map((line, index) => [`X-Ops-Authorization-${index + 1}`, line])),
  };
}

/** The text that is signed: what a server makes of the request, too. */
export function canonicalRequest(request: SignedRequest, version: SignatureVersion): string {
  const { method, body, timestamp, userId, apiVersion } = request;
  const path = canonicalPath(request.path);
  if (version === '1.3')
    return [
      `Method:${method.toUpperCase()}`,
      `Path:${path}`,
      `X-Ops-Content-Hash:${hash(body, version)}`,
      `X-Ops-Sign:version=${version}`,
      `X-Ops-Timestamp:${canonicalTime(timestamp)}`,
      `X-Ops-UserId:${userId}`,
      `X-Ops-Server-API-Version:${apiVersion}`,
    ].join('\n');
  return [
    `Method:${method.toUpperCase()}`,
    `Hashed Path:${hash(path, version)}`,
    `X-Ops-Content-Hash:${hash(body, version)}`,
    `X-Ops-Timestamp:${canonicalTime(timestamp)}`,
    `X-Ops-UserId:${version === '1.1' ? hash(userId, version) : userId}`,
  ].join('\n');
}

/** Before 1.3 the text itself is encrypted with the private key (PKCS#1, block type 1), and no hash of it. */
function signText(text: string, key: KeyObject, version: SignatureVersion): Buffer {
  if (version === '1.3') return sign(ALGORITHMS[version], Buffer.from(text), key);
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.from(text));
}

function hash(text: string, version: SignatureVersion): string {
  return createHash(ALGORITHMS[version]).update(text).digest('base64');
}

/** No slash twice, and none at the end. */
function canonicalPath(path: string): string {
  const single = path.replace(/\/+/g, '/');
  return single.length > 1 ? single.replace(/\/$/, '') : single;
}

/** To the second: 2031-05-06T07:08:09Z */
function canonicalTime(timestamp: Date): string {
  return timestamp.toISOString().replace(/\.\d+Z$/, 'Z');
}
