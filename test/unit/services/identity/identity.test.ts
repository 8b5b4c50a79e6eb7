import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { IdentityPending, IdentityRejected } from '../../../../lib/errors.ts';
import { keysOf } from '../../../../services/identity/certificates.ts';
import { readIdentity, readRequestedIdentity, takesOnlyRsa } from '../../../../services/identity/index.ts';
import { countingRejections } from '../../../../services/identity/refusal.ts';
import { IdentitySigner } from '../../../../world/machines/identity.ts';
import { INSTANCE, pemOf, requestOf } from '../../../support/certificate-requests.ts';

const LAUNCHED = '2030-01-02T03:04:05Z';
const signer = await IdentitySigner.create(new Date('2030-01-01T00:00:00Z'));
const { accountId, instanceId, region } = INSTANCE;
const { document, signature, rsa2048 } = await signer.sign(
  JSON.stringify({ accountId, instanceId, region, pendingTime: LAUNCHED }),
);
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const CSR = pemOf(requestOf({ privateKey, spki: publicKey.export({ type: 'spki', format: 'der' }) }));
const ANSWER = { csr: CSR, identityDocument: document, identitySignature: signature, identityRsa2048: rsa2048 };
const POLICY = {
  keys: keysOf({ 'eu-west-1': signer.certificatePem }),
  now: '2030-06-07T08:09:10.000Z',
  onlyRsa: false,
  accountId,
};

describe('what a node answers', () => {
  it('is its identity, when everything in it holds', () => {
    expect(readIdentity(JSON.stringify(ANSWER), INSTANCE, POLICY)).toEqual({
      csr: CSR.trim(),
      publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString().trim(),
      publicKeyFingerprint: expect.stringMatching(/^[0-9a-f:]{95}$/),
      document,
      signature,
    });
  });

  it.each([
    ['nothing', ''],
    ['a list', '[]'],
    ['no signature', JSON.stringify({ ...ANSWER, identitySignature: undefined })],
    ['more than is read', JSON.stringify({ ...ANSWER, more: 'x'.repeat(20_000) })],
  ])('is refused when it is %s', (_what, output) => {
    expect(() => readIdentity(output, INSTANCE, POLICY)).toThrow(
      /^i-0123456789abcdef0 is not enrolled: its answer is /,
    );
  });

  it('fits into what Run Command hands over, with the longest request and a long document', async () => {
    const long = await signer.sign(document.padEnd(2000));
    const answer = { ...ANSWER, csr: pemOf(Buffer.alloc(4096)), identityDocument: long.document };
    const output = JSON.stringify({ ...answer, identitySignature: long.signature, identityRsa2048: long.rsa2048 });
    expect(() => readIdentity(output, INSTANCE, POLICY)).toThrow('its CSR is not a PKCS#10 request in DER');
    expect(output.length).toBeLessThan(24_000);
  });

  it('is refused, and never an error of our own, whatever it is', () => {
    const rejects = (output: string) => {
      try {
        readIdentity(output, INSTANCE, POLICY);
      } catch (error) {
        return error instanceof IdentityRejected;
      }
      return false;
    };
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(CSR, document, signature, rsa2048));
    const answer = fc
      .record({ csr: text, identityDocument: text, identitySignature: text, identityRsa2048: text })
      .filter((one) => JSON.stringify(one) !== JSON.stringify(ANSWER));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          answer.map((one) => JSON.stringify(one)),
        ),
        rejects,
      ),
    );
  });

  it('needs no document on Lightsail, where none tells the instance’s own account', () => {
    const answer = JSON.stringify({ ...ANSWER, identityDocument: '{}', identitySignature: '', identityRsa2048: '' });
    expect(readIdentity(answer, { ...INSTANCE, platform: 'lightsail' }, POLICY)).toMatchObject({ csr: CSR.trim() });
    expect(() => readIdentity(answer, INSTANCE, POLICY)).toThrow(IdentityRejected);
  });
});

describe('an error that no rule foresees', () => {
  const broken = new Proxy(POLICY.keys, {
    get() {
      throw new RangeError('Maximum call stack size exceeded');
    },
  });

  it('is a rejection by a rule of its own, which is counted', async () => {
    const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    onTestFinished(() => written.mockRestore());
    const checked = countingRejections(async () =>
      readIdentity(JSON.stringify(ANSWER), INSTANCE, { ...POLICY, keys: broken }),
    );
    await expect(checked).rejects.toMatchObject({
      name: 'IdentityRejected',
      rule: 'unexpected',
      message: 'i-0123456789abcdef0 is not enrolled: the check of what it showed broke off with RangeError.',
    });
    expect(written.mock.calls.map(([line]) => JSON.parse(String(line)))).toMatchObject([
      { IdentitiesRejected: 1, rule: 'unexpected' },
    ]);
  });

  it('is a rejection where the request brought the CSR', () => {
    const unreadable = {
      ...INSTANCE,
      get nodeName(): string {
        throw new TypeError('unreadable');
      },
    };
    expect(() => readRequestedIdentity(CSR, unreadable, POLICY)).toThrow(IdentityRejected);
  });
});

describe('an answer of the script of an earlier version', () => {
  const former = JSON.stringify({ ...ANSWER, identityRsa2048: undefined });

  it('is not yet an answer: the node is asked again', () => {
    expect(() => readIdentity(former, INSTANCE, POLICY)).toThrow(IdentityPending);
    expect(() => readIdentity(former, INSTANCE, POLICY)).toThrow('It will be asked again.');
  });

  it('is enough on Lightsail', () => {
    expect(readIdentity(former, { ...INSTANCE, platform: 'lightsail' }, POLICY)).toMatchObject({ csr: CSR.trim() });
  });
});

describe('a CSR that the request brings', () => {
  it('is held against the same policy', () => {
    expect(readRequestedIdentity(CSR, INSTANCE, POLICY)).toMatchObject({
      csr: CSR.trim(),
      document: '',
      signature: '',
    });
    expect(() => readRequestedIdentity(CSR, { ...INSTANCE, nodeName: 'web-1' }, POLICY)).toThrow('is not CN=web-1');
  });
});

describe('the keys that are taken', () => {
  const puppet = { engine: 'opsworks-cm', serverName: 's', serverEngine: 'Puppet' } as const;
  const chef = { engine: 'opsworks-cm', serverName: 's', serverEngine: 'ChefAutomate' } as const;
  const register = { stackId: '5f4dcc3b-5aa7-4d1e-8f3a-0123456789ab', awaitSetup: false } as never;

  it.each([
    ['RSA alone, for Chef', true, { associate: chef, register: null }],
    ['elliptic curves too, for Puppet', false, { associate: puppet, register: null }],
    ['RSA alone, where OpsWorks Stacks is to know it too', true, { associate: puppet, register }],
    ['RSA alone, for OpsWorks Stacks', true, { associate: null, register }],
  ])('are %s', (_what, expected, enrolment) => {
    expect(takesOnlyRsa(enrolment)).toBe(expected);
  });
});
