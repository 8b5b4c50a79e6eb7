/**
 * How a Chef Infra Server verifies a request's signature.
 * Sources: https://docs.chef.io/server/api_chef_server/#authentication-headers, mixlib-authentication's README.
 */
import { constants, createHash, publicDecrypt, verify } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Versions of the signing protocol. Servers accept 1.3 since 12.4. */
export type SignatureVersion = '1.0' | '1.1' | '1.3';

/** A request as it came. */
export interface SignedByHeaders {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

/** The headers' claims; empty where a header is missing. */
export function signatureOf({ headers }: SignedByHeaders) {
  const text = (name: string) => String(headers[name] ?? '');
  return {
    sign: text('x-ops-sign'),
    timestamp: text('x-ops-timestamp'),
    userId: text('x-ops-userid'),
    contentHash: text('x-ops-content-hash'),
    apiVersion: text('x-ops-server-api-version') || '0',
  };
}

/** Whether the key's owner signed exactly this request: method, path, body, time, user and, in 1.3, API version. */
export function isSignedBy(request: SignedByHeaders, publicKey: string): boolean {
  const { sign, contentHash } = signatureOf(request);
  const version = versionOf(sign);
  if (!version || contentHash !== digest(algorithmOf(version), request.body)) return false;
  const signed = Buffer.from(textOf(request, version));
  const signature = Buffer.from(authorizationOf(request), 'base64');
  if (version === '1.3') return verify('RSA-SHA256', signed, publicKey, signature);
  return decrypted(signature, publicKey)?.equals(signed) ?? false;
}

function versionOf(sign: string): SignatureVersion | undefined {
  return (['1.0', '1.1', '1.3'] as const).find((version) => sign.includes(`version=${version};`));
}

function algorithmOf(version: SignatureVersion): 'sha1' | 'sha256' {
  return version === '1.3' ? 'sha256' : 'sha1';
}

/** The lines that the client signs. Timestamp and body hash are the headers' own: skew and hash are checked apart. */
function textOf(request: SignedByHeaders, version: SignatureVersion): string {
  const { timestamp, userId, contentHash, apiVersion } = signatureOf(request);
  const [withoutQuery = ''] = request.path.split('?');
  const path = withoutQuery.replaceAll(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
  const lines: Record<SignatureVersion, readonly (readonly [string, string])[]> = {
    '1.0': [
      ['Method', request.method],
      ['Hashed Path', digest('sha1', path)],
      ['X-Ops-Content-Hash', contentHash],
      ['X-Ops-Timestamp', timestamp],
      ['X-Ops-UserId', userId],
    ],
    '1.1': [
      ['Method', request.method],
      ['Hashed Path', digest('sha1', path)],
      ['X-Ops-Content-Hash', contentHash],
      ['X-Ops-Timestamp', timestamp],
      ['X-Ops-UserId', digest('sha1', userId)],
    ],
    '1.3': [
      ['Method', request.method],
      ['Path', path],
      ['X-Ops-Content-Hash', contentHash],
      ['X-Ops-Sign', 'version=1.3'],
      ['X-Ops-Timestamp', timestamp],
      ['X-Ops-UserId', userId],
      ['X-Ops-Server-API-Version', apiVersion],
    ],
  };
  return lines[version].map(([name, value]) => `${name}:${value}`).join('\n');
}

function digest(algorithm: 'sha1' | 'sha256', text: string): string {
  return createHash(algorithm).update(text).digest('base64');
}

function authorizationOf({ headers }: SignedByHeaders): string {
  const lines: unknown[] = [];
  for (let line = 1; headers[`x-ops-authorization-${line}`]; line++) lines.push(headers[`x-ops-authorization-${line}`]);
  return lines.join('');
}

/** Before 1.3 the client encrypts the lines themselves with its private key, not a digest of them. */
function decrypted(signature: Buffer, key: string): Buffer | undefined {
  try {
    return publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature);
  } catch {
    return undefined;
  }
}
