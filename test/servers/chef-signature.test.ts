import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signatureHeaders } from '../../services/config-servers/chef-infra/signature.ts';
import { signByChef, type VersionedRequest } from '../support/servers/chef-signer.ts';

const CASES_PER_KEY = 400;

const segment = fc.stringMatching(/^[A-Za-z0-9._~%@:-]{0,20}$/);
const path = fc
  .record({ segments: fc.array(segment, { maxLength: 6 }), end: fc.constantFrom('', '/', '//') })
  .map(({ segments, end }) => `/${segments.join('/')}${end}`);
const body = fc.oneof(
  fc.constant(''),
  fc.json(),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.string({ minLength: 2_000, maxLength: 5_000 }),
);

/** Any request that an HTTP client can send: the names are as long as 1.0, which encrypts them, has room for. */
const request: fc.Arbitrary<Omit<VersionedRequest, 'version'>> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'get', 'Post'),
  path,
  body,
  timestamp: fc.date({ min: new Date('1971-01-01'), max: new Date('2120-01-01'), noInvalidDate: true }),
  userId: fc.stringMatching(/^[A-Za-z0-9_.-]{1,60}$/),
  apiVersion: fc.constantFrom('0', '1', '2'),
});

describe.each([
  [2048, 'pkcs1'],
  [2048, 'pkcs8'],
  [3072, 'pkcs8'],
] as const)('requests signed with an RSA key of %i bits (%s)', (modulusLength, type) => {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type, format: 'pem' },
  });

  it.each(['1.0', '1.1', '1.3'] as const)(
    'have in version %s the headers that Chef gives them, byte for byte',
    (version) => {
      const requests = fc.sample(request, CASES_PER_KEY).map((one) => ({ ...one, version }));
      const byChef = signByChef(privateKey, requests);
      const key = createPrivateKey(privateKey);
      expect(byChef).toHaveLength(CASES_PER_KEY);
      expect(requests.map((one) => signatureHeaders(one, key, version))).toEqual(byChef);
    },
  );
});
