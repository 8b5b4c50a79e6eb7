import { createPublicKey, verify, X509Certificate } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { collectIdentity } from '../../../../local/documents.ts';
import { CertificateAuthority, commonName } from '../../../../world/pki/certificate-authority.ts';
import { freshKeys, publicKeySha256 } from '../../../../world/pki/keys.ts';
import { thriftyKeys } from '../../../../world/pki/thrifty-keys.ts';
import * as x509 from '../../../../world/pki/x509.ts';
import { machines } from '../../../support/machines.ts';

describe('a simulated node', () => {
  it('has an agent that comes up some time after boot, falls silent when it is off, and comes up again', async () => {
    const { clock, launch } = await machines();
    const node = launch({ agentUpAfterSeconds: 20 });
    await clock.advance(19_999);
    expect(node.isAgentUp).toBe(false);
    await clock.advance(1);
    expect(node.isAgentUp).toBe(true);
    node.shutDown();
    expect([node.isOn, node.isAgentUp]).toEqual([false, false]);
    node.boot();
    expect([node.isOn, node.isAgentUp]).toEqual([true, false]);
    await clock.advance(20_000);
    expect(node.isAgentUp).toBe(true);
  });

  it('makes its key when it is first asked for, and once', async () => {
    const { launch } = await machines();
    const keySource = vi.fn(freshKeys);
    const node = launch({ keySource });
    expect(keySource).not.toHaveBeenCalled();
    const [first, second] = await Promise.all([node.publicKeyPem(), node.publicKeyPem(), node.csr('web-1')]);
    expect(first).toBe(second);
    expect(keySource).toHaveBeenCalledOnce();
  });

  it('has another key, and nothing that was installed, on another disk', async () => {
    const { launch } = await machines();
    const node = launch({ keySource: thriftyKeys() });
    const [key, csr] = [await node.publicKeyPem(), await node.csr('web-1')];
    node.replaceDisk();
    expect(await node.publicKeyPem()).not.toBe(key);
    expect(await node.csr('web-1')).not.toBe(csr);
    expect([node.isOn, node.installed, node.agent]).toEqual([true, undefined, undefined]);
  });

  it('has a real 2048-bit RSA key', async () => {
    const { launch } = await machines();
    const key = createPublicKey(await launch().publicKeyPem());
    expect(key.asymmetricKeyType).toBe('rsa');
    expect(key.asymmetricKeyDetails?.modulusLength).toBe(2048);
  });

  it('asks in its certificate request for Puppet’s extensions, each a UTF8String', async () => {
    const { launch } = await machines();
    const csr = new x509.Pkcs10CertificateRequest(await launch({ instanceId: 'i-0123456789abcdef0' }).csr('web-1'));
    const extensions = csr.extensions.map(({ type, value }) => [type, Buffer.from(value).toString('latin1')]);
    expect(Object.fromEntries(extensions)).toEqual({
      '1.3.6.1.4.1.34380.1.1.2': '\x0c\x13i-0123456789abcdef0',
      '1.3.6.1.4.1.34380.1.1.3': '\x0c\x15ami-0123456789abcdef0',
      '1.3.6.1.4.1.34380.1.1.18': '\x0c\x09eu-west-1',
    });
  });

  it('requests a certificate for its own key under the name it is told, the same text each time', async () => {
    const { launch } = await machines();
    const node = launch();
    const csr = new x509.Pkcs10CertificateRequest(await node.csr('web-1'));
    expect(commonName(csr)).toBe('web-1');
    expect(publicKeySha256(csr.publicKey.toString('pem'))).toBe(publicKeySha256(await node.publicKeyPem()));
    expect(await csr.verify()).toBe(true);
    expect(await node.csr('web-1')).toBe(await node.csr('web-1'));
  });

  it('reads an identity document as the metadata service spells it, whose signature the certificate proves', async () => {
    const { launch, signer } = await machines();
    const { document, signature } = await launch({ instanceId: 'i-0123456789abcdef0' }).identity();
    expect(document.split('\n')[1]).toBe('  "accountId" : "123456789012",');
    expect(JSON.parse(document)).toEqual({
      accountId: '123456789012',
      architecture: 'x86_64',
      availabilityZone: 'eu-west-1a',
      billingProducts: null,
      devpayProductCodes: null,
      marketplaceProductCodes: null,
      imageId: 'ami-0123456789abcdef0',
      instanceId: 'i-0123456789abcdef0',
      instanceType: 't3.micro',
      kernelId: null,
      pendingTime: '2024-05-01T10:00:00Z',
      privateIp: '10.0.0.1',
      ramdiskId: null,
      region: 'eu-west-1',
      version: '2017-09-30',
    });
    const { publicKey } = new X509Certificate(signer.certificatePem);
    const bytes = Buffer.from(signature, 'base64');
    expect(verify('RSA-SHA256', Buffer.from(document), publicKey, bytes)).toBe(true);
    expect(verify('RSA-SHA256', Buffer.from(document.replace('t3', 't2')), publicKey, bytes)).toBe(false);
    expect(await signer.verify({ document: JSON.stringify(JSON.parse(document)), signature })).toBe(false);
  });

  it('installs a certificate for its key by the CA that comes with it, and refuses any other', async () => {
    const { clock, launch } = await machines();
    const now = new Date(clock.now());
    const [authority, stranger] = await Promise.all(['A', 'B'].map((name) => CertificateAuthority.create(name, now)));
    if (!authority || !stranger) throw new Error('unreachable');
    const [node, other] = [launch(), launch()];
    const certificateOf = async (one: typeof node) =>
      authority.sign(new x509.Pkcs10CertificateRequest(await one.csr('web-1')), now);
    const credentials = {
      nodeName: 'web-1',
      engine: 'opsworks-cm',
      certificate: await certificateOf(node),
      caCertificate: authority.certificatePem,
    };

    await expect(node.install({ ...credentials, certificate: await certificateOf(other) })).rejects.toThrow(
      `The certificate for web-1 is not for the key of ${node.instanceId}.`,
    );
    await expect(node.install({ ...credentials, caCertificate: stranger.certificatePem })).rejects.toThrow(
      'The certificate for web-1 is not signed by the CA certificate that came with it.',
    );
    expect(node.installed).toBeUndefined();
    await node.install(credentials);
    expect(node.installed).toEqual(credentials);
  });

  it('answers the identity document command with its request, its document and the signature', async () => {
    const { launch } = await machines();
    const node = launch();
    const { stdout, exitCode } = await collectIdentity(node, { NodeName: 'web-1' });
    const { document, signature, rsa2048 } = await node.identity();
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      csr: await node.csr('web-1'),
      identityDocument: document,
      identitySignature: signature,
      identityRsa2048: rsa2048,
    });
  });
});

describe('a fleet', () => {
  it('finds a machine by id and by private address until it is removed, and then it is off', async () => {
    const { fleet, launch } = await machines();
    const [first, second] = [launch(), launch()];
    expect(fleet.get(first.instanceId)).toBe(first);
    expect(fleet.getByPrivateIp('10.0.0.2')).toBe(second);
    fleet.remove(second.instanceId);
    fleet.remove('i-unknown');
    expect(second.isOn).toBe(false);
    expect([fleet.get(second.instanceId), fleet.getByPrivateIp('10.0.0.2')]).toEqual([undefined, undefined]);
    expect([...fleet.members].map(({ node }) => node)).toEqual([first]);
    expect(fleet.snapshot()).toEqual([{ instanceId: first.instanceId, isOn: true, isAgentUp: false, installed: null }]);
  });
});
