import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { signatureHeaders } from '../../../../services/config-servers/chef-infra/signature.ts';
import {
  isSignedBy,
  type SignatureVersion,
  type SignedByHeaders,
} from '../../../../world/services/chef-infra/authentication.ts';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PEM = publicKey.export({ type: 'spki', format: 'pem' }).toString();
const VERSIONS = ['1.0', '1.1', '1.3'] as const;

/** A request that the product signed, as Node's HTTP server parses it. */
function signedBy(version: SignatureVersion): SignedByHeaders {
  const timestamp = new Date('2031-05-06T07:08:09Z');
  const request = { method: 'POST', path: '/organizations/shop/clients', body: '{"name":"web-1"}' };
  const headers = signatureHeaders({ ...request, timestamp, userId: 'web-1', apiVersion: '1' }, privateKey, version);
  const sent = Object.entries({ ...headers, 'X-Ops-Server-API-Version': '1' });
  return { ...request, headers: Object.fromEntries(sent.map(([name, value]) => [name.toLowerCase(), value])) };
}

describe.each(VERSIONS)("the double's check of a signature of version %s", (version) => {
  it("accepts the product's signature", () => {
    expect(isSignedBy(signedBy(version), PEM)).toBe(true);
  });

  it('normalizes slashes and ignores the query, as servers do', () => {
    expect(isSignedBy({ ...signedBy(version), path: '/organizations//shop/clients/?rows=1' }, PEM)).toBe(true);
  });

  it("refuses another client's key", () => {
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
    expect(isSignedBy(signedBy(version), other.export({ type: 'spki', format: 'pem' }).toString())).toBe(false);
  });

  const signed = signedBy(version);
  const withHeader = (name: string, value: string) => ({ ...signed, headers: { ...signed.headers, [name]: value } });
  const first = String(signed.headers['x-ops-authorization-1']);
  const mutations: [string, SignedByHeaders][] = [
    ['method', { ...signed, method: 'PUT' }],
    ['path', { ...signed, path: '/organizations/shop/users' }],
    ['body', { ...signed, body: '{"name":"web-2"}' }],
    ['body hash', withHeader('x-ops-content-hash', 'AAAA')],
    ['timestamp', withHeader('x-ops-timestamp', '2031-05-06T07:08:10Z')],
    ['user', withHeader('x-ops-userid', 'web-2')],
    ['signature', withHeader('x-ops-authorization-1', `${first.startsWith('A') ? 'B' : 'A'}${first.slice(1)}`)],
    ['version', withHeader('x-ops-sign', 'algorithm=sha256;version=9.9;')],
    ...(version === '1.3'
      ? [['API version', withHeader('x-ops-server-api-version', '2')] as [string, typeof signed]]
      : []),
  ];
  it.each(mutations)('refuses a request whose %s changed after signing', (_part, request) => {
    expect(isSignedBy(request, PEM)).toBe(false);
  });
});

it.each([
  ['1.0', '1.1'],
  ['1.1', '1.0'],
  ['1.3', '1.1'],
] as const)('refuses a signature of version %s presented as %s', (version, presented) => {
  const request = signedBy(version);
  const sign = `algorithm=sha1;version=${presented};`;
  expect(isSignedBy({ ...request, headers: { ...request.headers, 'x-ops-sign': sign } }, PEM)).toBe(false);
});
