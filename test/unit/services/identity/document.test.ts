import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../../lib/instance.ts';
import { keysOf } from '../../../../services/identity/certificates.ts';
import { type DocumentTrust, requireOwnDocument } from '../../../../services/identity/document.ts';
import { IdentitySigner, identityDocument } from '../../../../world/machines/identity.ts';
import { hasOpenssl, INSTANCE, workshop } from '../../../support/certificate-requests.ts';

const NOW = '2030-06-07T08:09:10.000Z';
const signer = await IdentitySigner.create(new Date('2030-01-01T00:00:00Z'));
const stranger = await IdentitySigner.create(new Date('2030-01-01T00:00:00Z'));
const TRUST: DocumentTrust = { keys: keysOf({ 'eu-west-1': signer.certificatePem }), now: NOW };

const MACHINE = {
  instanceId: INSTANCE.instanceId,
  imageId: INSTANCE.imageId ?? '',
  instanceType: 't3.micro',
  architecture: 'x86_64',
  availabilityZone: 'eu-west-1a',
  privateIp: '10.0.0.1',
  launchedAt: new Date('2030-01-02T03:04:05Z'),
};
const DOCUMENT = identityDocument(MACHINE);
const SHOWN = await signer.sign(DOCUMENT);
const BY_A_STRANGER = await stranger.sign(DOCUMENT);

function checking(shown = SHOWN, trust = TRUST, instance: Instance = INSTANCE) {
  return () => requireOwnDocument(shown, instance, trust);
}

describe('an instance identity document', () => {
  it('is taken as its Region’s AWS signed it', () => {
    expect(checking()).not.toThrow();
  });

  it.runIf(hasOpenssl)('is signed as openssl understands it', () => {
    const { openssl, write } = workshop();
    write('key', new X509Certificate(signer.certificatePem).publicKey.export({ type: 'spki', format: 'pem' }));
    write('document', SHOWN.document);
    write('signature', Buffer.from(SHOWN.signature, 'base64'));
    expect(openssl('dgst', '-sha256', '-verify', 'key', '-signature', 'signature', 'document')).toContain('OK');
  });

  it.each([
    ['one letter of it is another', { ...SHOWN, document: DOCUMENT.replace('t3.micro', 't3.large') }],
    ['it is printed anew', { ...SHOWN, document: JSON.stringify(JSON.parse(DOCUMENT)) }],
    ['somebody else signed it', BY_A_STRANGER],
    ['it has no signature', { ...SHOWN, signature: '' }],
    ['its signature is no base64', { ...SHOWN, signature: `${SHOWN.signature}!` }],
    ['its signature is too long', { ...SHOWN, signature: `${SHOWN.signature}\nAAAA` }],
  ])('is refused when %s', (_what, shown) => {
    expect(checking(shown)).toThrow(
      `${INSTANCE.instanceId} is not enrolled: the signature of its identity document is not by AWS in eu-west-1`,
    );
  });

  it('is refused when another Region’s AWS signed it', () => {
    const keys = keysOf({ 'eu-west-1': stranger.certificatePem, 'us-east-1': signer.certificatePem });
    expect(checking(SHOWN, { keys, now: NOW })).toThrow('is not by AWS in eu-west-1');
  });

  it.each([
    ['instanceId', { instanceId: 'i-0fedcba9876543210' }],
    ['accountId', { accountId: '210987654321' }],
    ['region', { region: 'us-east-1' }],
  ])('is refused when its %s is not what the control plane says', (name, other) => {
    const trust = { keys: { ...TRUST.keys, ...keysOf({ 'us-east-1': signer.certificatePem }) }, now: NOW };
    expect(checking(SHOWN, trust, { ...INSTANCE, ...other })).toThrow(
      `the ${name} of its identity document is not ${Object.values(other)[0]}`,
    );
  });

  it.each(['', 'null', '[]', '{"instanceId":7}'])('is refused when AWS signed something else: %s', async (text) => {
    expect(checking(await signer.sign(text))).toThrow('its identity document cannot be read');
  });
});

describe('the certificates of a Region', () => {
  it('are named by file where there are none', () => {
    expect(checking(SHOWN, { keys: {}, now: NOW })).toThrow(
      "AWS's certificate of eu-west-1 is not known: add it as services/identity/aws-certificates/eu-west-1.pem",
    );
  });

  it('are good until the last of them runs out', async () => {
    const next = await IdentitySigner.create(new Date('2035-01-01T00:00:00Z'));
    const keys = keysOf({ 'eu-west-1': `${signer.certificatePem}\n${next.certificatePem}\n` });
    for (const shown of [SHOWN, await next.sign(DOCUMENT)]) expect(checking(shown, { keys, now: NOW })).not.toThrow();
    const later = { keys, now: '2042-01-01T00:00:00.000Z' };
    expect(checking(SHOWN, later)).toThrow('is not by AWS');
    expect(checking(await next.sign(DOCUMENT), later)).not.toThrow();
    expect(checking(SHOWN, { keys, now: '2046-01-01T00:00:00.000Z' })).toThrow(
      "AWS's certificate of eu-west-1 ran out on 2044-12-29: add the new one to",
    );
  });
});
