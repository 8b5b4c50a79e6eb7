import { constants, generateKeyPairSync, publicDecrypt, verify } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalRequest,
  type SignedRequest,
  signatureHeaders,
} from '../../../../../services/config-servers/chef-infra/signature.ts';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const REQUEST: SignedRequest = {
  method: 'post',
  path: '/organizations//shop/clients/',
  body: '',
  timestamp: new Date('2031-05-06T07:08:09.987Z'),
  userId: 'shop-validator',
  apiVersion: '1',
};

describe('the text that is signed of a request', () => {
  it('has in version 1.3 everything in plain words, and the body as SHA-256', () => {
    expect(canonicalRequest(REQUEST, '1.3').split('\n')).toEqual([
      'Method:POST',
      'Path:/organizations/shop/clients',
      'X-Ops-Content-Hash:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
      'X-Ops-Sign:version=1.3',
      'X-Ops-Timestamp:2031-05-06T07:08:09Z',
      'X-Ops-UserId:shop-validator',
      'X-Ops-Server-API-Version:1',
    ]);
  });

  it('has in version 1.1 path, body and name as SHA-1, and in 1.0 the name as it is', () => {
    expect(canonicalRequest(REQUEST, '1.1').split('\n')).toEqual([
      'Method:POST',
      'Hashed Path:WLPMME6eQbS626dD79J1bHrqpi0=',
      'X-Ops-Content-Hash:2jmj7l5rSw0yVb/vlWAYkK/YBwk=',
      'X-Ops-Timestamp:2031-05-06T07:08:09Z',
      'X-Ops-UserId:K0cf5+ozXrWw6lOV49D5mTN3TH0=',
    ]);
    expect(canonicalRequest(REQUEST, '1.0').split('\n')[4]).toBe('X-Ops-UserId:shop-validator');
  });

  it.each([
    ['/', '/'],
    ['//', '/'],
    ['/a/', '/a'],
    ['/a///b//', '/a/b'],
  ])('has the path %s as %s', (path, canonical) => {
    expect(canonicalRequest({ ...REQUEST, path }, '1.3')).toContain(`Path:${canonical}\n`);
  });
});

describe('the headers of a request', () => {
  it('name the algorithm, the time, the name and the body', () => {
    expect(signatureHeaders(REQUEST, privateKey, '1.3')).toMatchObject({
      'X-Ops-Sign': 'algorithm=sha256;version=1.3;',
      'X-Ops-Userid': 'shop-validator',
      'X-Ops-Timestamp': '2031-05-06T07:08:09Z',
      'X-Ops-Content-Hash': '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
    });
    expect(signatureHeaders(REQUEST, privateKey, '1.1')).toMatchObject({ 'X-Ops-Sign': 'algorithm=sha1;version=1.1;' });
  });

  it('carry the signature in lines of 60 characters', () => {
    const lines = linesOf(signatureHeaders(REQUEST, privateKey, '1.3'));
    // 256 bytes are 344 characters of base64.
    expect(lines.map(({ length }) => length)).toEqual([60, 60, 60, 60, 60, 44]);
  });

  it('carry a signature that the key’s owner alone can have made, for any body', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (body) => {
        const request = { ...REQUEST, body };
        const text = Buffer.from(canonicalRequest(request, '1.3'));
        expect(verify('sha256', text, publicKey, signatureOf(request, '1.3'))).toBe(true);
        for (const version of ['1.0', '1.1'] as const) {
          const decrypted = publicDecrypt(
            { key: publicKey, padding: constants.RSA_PKCS1_PADDING },
            signatureOf(request, version),
          );
          expect(decrypted.toString()).toBe(canonicalRequest(request, version));
        }
      }),
      { numRuns: 50 },
    );
  });
});

function signatureOf(request: SignedRequest, version: Parameters<typeof signatureHeaders>[2]): Buffer {
  return Buffer.from(linesOf(signatureHeaders(request, privateKey, version)).join(''), 'base64');
}

function linesOf(headers: Record<string, string>): string[] {
  return Object.entries(headers)
    .filter(([name]) => name.startsWith('X-Ops-Authorization-'))
    .map(([, line]) => line);
}
