/** How a Chef Infra Server finds out who sent a request. Source: mixlib-authentication's SignatureVerification. */
import { constants, publicDecrypt, verify } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import {
  canonicalRequest,
  type SignatureVersion,
  type SignedRequest,
} from '../../../services/config-servers/chef-infra/signature.ts';

/** A request as it came. */
export interface SignedByHeaders {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

/** What the headers claim; empty where they do not. */
export function signatureOf({ headers }: SignedByHeaders) {
  const text = (name: string) => String(headers[name] ?? '');
  return { sign: text('x-ops-sign'), timestamp: text('x-ops-timestamp'), userId: text('x-ops-userid') };
}

/** Whether the key's owner signed just this. */
export function isSignedBy(request: SignedByHeaders, publicKey: string): boolean {
  const { sign, timestamp, userId } = signatureOf(request);
  const version = (/version=(1\.[013])/.exec(sign)?.[1] ?? '1.0') as SignatureVersion;
  const apiVersion = String(request.headers['x-ops-server-api-version'] ?? '0');
  const { method, path, body } = request;
  const signed: SignedRequest = { method, path, body, timestamp: new Date(timestamp), userId, apiVersion };
  const text = Buffer.from(canonicalRequest(signed, version));
  const signature = Buffer.from(authorizationOf(request), 'base64');
  if (version === '1.3') return verify('sha256', text, publicKey, signature);
  return decrypted(signature, publicKey)?.equals(text) ?? false;
}

function authorizationOf({ headers }: SignedByHeaders): string {
  let text = '';
  for (let line = 1; headers[`x-ops-authorization-${line}`]; line++) text += headers[`x-ops-authorization-${line}`];
  return text;
}

function decrypted(signature: Buffer, key: string): Buffer | undefined {
  try {
    return publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature);
  } catch {
    return undefined;
  }
}
