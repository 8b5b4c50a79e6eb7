import { X509Certificate } from 'node:crypto';
import type {
  AssociateNodeResponse,
  DescribeNodeAssociationStatusResponse,
  DescribeServersCommandInput,
  DescribeServersResponse,
  EngineAttribute,
  ServerStatus,
} from '@aws-sdk/client-opsworkscm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { publicKeySha256 } from '../../../../world/pki/keys.ts';
import { OpsWorksCm, type OpsWorksCmOptions } from '../../../../world/services/opsworks-cm/opsworks-cm.ts';
import { call } from '../../../support/call.ts';
import { machines } from '../../../support/machines.ts';

async function world(options: Partial<OpsWorksCmOptions> = { rate: false }) {
  const { clock, random, launch } = await machines();
  const cm = new OpsWorksCm({
    clock,
    random,
    servers: [
      { serverName: 'MyChef', engine: 'ChefAutomate', organizations: ['default', 'shop'] },
      { serverName: 'MyPuppet', engine: 'Puppet' },
    ],
    associationSeconds: 30,
    ...options,
  });
  const ask = <Answer>(operation: string, input: object) => call<Answer>(cm.service, operation, input);
  const associate = async (ServerName: string, NodeName: string, attributes: Record<string, string>) => {
    const input = { ServerName, NodeName, EngineAttributes: engineAttributes(attributes) };
    return (await ask<AssociateNodeResponse>('AssociateNode', input)).NodeAssociationStatusToken ?? '';
  };
  const status = (ServerName: string, NodeAssociationStatusToken: string) =>
    ask<DescribeNodeAssociationStatusResponse>('DescribeNodeAssociationStatus', {
      ServerName,
      NodeAssociationStatusToken,
    });
  const servers = (input: DescribeServersCommandInput) => ask<DescribeServersResponse>('DescribeServers', input);
  const outcome = async (ServerName: string, token: string) => {
    await clock.advance(40_000);
    return (await status(ServerName, token)).NodeAssociationStatus;
  };
  return { clock, launch, cm, ask, associate, status, servers, outcome };
}

function engineAttributes(values: Record<string, string>): EngineAttribute[] {
  return Object.entries(values).map(([Name, Value]) => ({ Name, Value }));
}

describe('associating a node with a Chef server', () => {
  it('is IN_PROGRESS, then SUCCESS, and binds the key to the name', async () => {
    const { clock, launch, cm, associate, status } = await world();
    const key = await launch().publicKeyPem();
    const token = await associate('MyChef', 'web-1', { CHEF_ORGANIZATION: 'default', CHEF_NODE_PUBLIC_KEY: key });
    await clock.advance(29_999);
    expect(await status('MyChef', token)).toEqual({ NodeAssociationStatus: 'IN_PROGRESS', EngineAttributes: [] });
    expect(cm.associations('MyChef')).toEqual([]);
    await clock.advance(10);
    expect(await status('MyChef', token)).toEqual({ NodeAssociationStatus: 'SUCCESS', EngineAttributes: [] });
    expect(cm.associations('MyChef')).toEqual([
      {
        nodeName: 'web-1',
        organization: 'default',
        publicKeySha256: publicKeySha256(key),
        associatedAt: '2024-05-01T10:00:30.000Z',
        times: 1,
      },
    ]);
  });

  it('succeeds again with the same key under a new token, and fails with another', async () => {
    const { launch, cm, associate, outcome } = await world();
    const [mine, theirs] = [await launch().publicKeyPem(), await launch().publicKeyPem()];
    const first = await associate('MyChef', 'web-1', { CHEF_NODE_PUBLIC_KEY: mine });
    expect(await outcome('MyChef', first)).toBe('SUCCESS');
    const again = await associate('MyChef', 'web-1', { CHEF_NODE_PUBLIC_KEY: mine });
    expect(again).not.toBe(first);
    expect(await outcome('MyChef', again)).toBe('SUCCESS');
    const stranger = await associate('MyChef', 'web-1', { CHEF_NODE_PUBLIC_KEY: theirs });
    expect(await outcome('MyChef', stranger)).toBe('FAILED');
    expect(cm.associations('MyChef')).toMatchObject([{ publicKeySha256: publicKeySha256(mine), times: 2 }]);
  });

  it('keeps organizations apart, and fails for one that it does not have', async () => {
    const { launch, cm, associate, outcome } = await world();
    const [first, second] = [await launch().publicKeyPem(), await launch().publicKeyPem()];
    const inDefault = await associate('MyChef', 'web-1', { CHEF_NODE_PUBLIC_KEY: first });
    const inShop = await associate('MyChef', 'web-1', { CHEF_ORGANIZATION: 'shop', CHEF_NODE_PUBLIC_KEY: second });
    const nowhere = await associate('MyChef', 'web-1', { CHEF_ORGANIZATION: 'moon', CHEF_NODE_PUBLIC_KEY: first });
    expect(await outcome('MyChef', inDefault)).toBe('SUCCESS');
    expect(await outcome('MyChef', inShop)).toBe('SUCCESS');
    expect(await outcome('MyChef', nowhere)).toBe('FAILED');
    expect(cm.associations('MyChef').map(({ organization }) => organization)).toEqual(['default', 'shop']);
  });

  it('refuses attributes that are unknown, missing, repeated or malformed', async () => {
    const { launch, ask, associate } = await world();
    const node = launch();
    const key = await node.publicKeyPem();
    for (const [attributes, name] of [
      [{}, 'CHEF_NODE_PUBLIC_KEY'],
      [{ CHEF_NODE_PUBLIC_KEY: '' }, 'CHEF_NODE_PUBLIC_KEY'],
      [{ CHEF_NODE_PUBLIC_KEY: 'ssh-rsa AAAA' }, 'CHEF_NODE_PUBLIC_KEY'],
      [{ CHEF_NODE_PUBLIC_KEY: key.slice(0, 200) }, 'CHEF_NODE_PUBLIC_KEY'],
      [{ CHEF_NODE_PUBLIC_KEY: await node.csr('web-1') }, 'CHEF_NODE_PUBLIC_KEY'],
      [{ CHEF_AUTOMATE_NODE_PUBLIC_KEY: key }, 'CHEF_AUTOMATE_NODE_PUBLIC_KEY'],
      [{ CHEF_NODE_PUBLIC_KEY: key, PUPPET_NODE_CSR: 'x' }, 'PUPPET_NODE_CSR'],
      [{ CHEF_NODE_PUBLIC_KEY: key, toString: 'x' }, 'toString'],
    ] as const)
      await expect(associate('MyChef', 'web-1', attributes)).rejects.toMatchObject({
        code: 'ValidationException',
        message: expect.stringContaining(name),
      });
    const twice = [...engineAttributes({ CHEF_NODE_PUBLIC_KEY: key }), { Name: 'CHEF_NODE_PUBLIC_KEY', Value: key }];
    await expect(
      ask('AssociateNode', { ServerName: 'MyChef', NodeName: 'web-1', EngineAttributes: twice }),
    ).rejects.toMatchObject({ code: 'ValidationException' });
  });
});

describe('associating a node with a Puppet server', () => {
  it('answers with a certificate for the node’s key, signed by the CA that DescribeServers shows', async () => {
    const { clock, launch, associate, status, servers } = await world();
    const node = launch();
    const token = await associate('MyPuppet', 'web-1', { PUPPET_NODE_CSR: await node.csr('web-1') });
    await clock.advance(40_000);
    const { NodeAssociationStatus, EngineAttributes } = await status('MyPuppet', token);
    expect([NodeAssociationStatus, EngineAttributes?.[0]?.Name]).toEqual(['SUCCESS', 'PUPPET_NODE_CERT']);
    const certificate = new X509Certificate(EngineAttributes?.[0]?.Value ?? '');
    const server = (await servers({ ServerName: 'MyPuppet' })).Servers?.[0];
    const attribute = server?.EngineAttributes?.find(({ Name }) => Name === 'PUPPET_API_CA_CERT');
    const authority = new X509Certificate(attribute?.Value ?? '');
    expect(certificate.subject).toBe('CN=web-1');
    expect(certificate.checkIssued(authority)).toBe(true);
    expect(certificate.verify(authority.publicKey)).toBe(true);
    expect([authority.ca, certificate.ca]).toEqual([true, false]);
    const certified = certificate.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    expect(certified).toBe(await node.publicKeyPem());
    expect(Date.parse(certificate.validFrom)).toBeLessThan(clock.now());
    expect(Date.parse(certificate.validTo)).toBeGreaterThan(clock.now());
    await node.install({
      nodeName: 'web-1',
      certificate: certificate.toString(),
      caCertificate: authority.toString(),
    });
  });

  it('gives the same certificate when the same key asks again', async () => {
    const { clock, launch, cm, associate, status } = await world();
    const csr = await launch().csr('web-1');
    const tokens = [
      await associate('MyPuppet', 'web-1', { PUPPET_NODE_CSR: csr }),
      await associate('MyPuppet', 'web-1', { PUPPET_NODE_CSR: csr }),
    ];
    await clock.advance(40_000);
    const [first, second] = await Promise.all(tokens.map((token) => status('MyPuppet', token)));
    expect(first).toEqual(second);
    expect(cm.associations('MyPuppet')).toMatchObject([{ nodeName: 'web-1', times: 2 }]);
  });

  it('fails for a request under another name, for a second key, and for a request its key did not sign', async () => {
    const { launch, cm, associate, outcome } = await world();
    const [node, other] = [launch(), launch()];
    const good = await associate('MyPuppet', 'web-1', { PUPPET_NODE_CSR: await node.csr('web-1') });
    expect(await outcome('MyPuppet', good)).toBe('SUCCESS');
    const renamed = await associate('MyPuppet', 'web-2', { PUPPET_NODE_CSR: await node.csr('web-1') });
    expect(await outcome('MyPuppet', renamed)).toBe('FAILED');
    const stranger = await associate('MyPuppet', 'web-1', { PUPPET_NODE_CSR: await other.csr('web-1') });
    expect(await outcome('MyPuppet', stranger)).toBe('FAILED');
    const forged = forge(await other.csr('web-3'));
    expect(await outcome('MyPuppet', await associate('MyPuppet', 'web-3', { PUPPET_NODE_CSR: forged }))).toBe('FAILED');
    expect(cm.associations('MyPuppet').map(({ nodeName }) => nodeName)).toEqual(['web-1']);
  });

  it('refuses whatever is not a certificate request in PEM', async () => {
    const { launch, associate } = await world();
    const key = await launch().publicKeyPem();
    const pem = fc.oneof(
      fc.string(),
      fc.base64String(),
      fc.constant(key),
      fc
        .base64String()
        .map((body) => `-----BEGIN CERTIFICATE REQUEST-----\n${body}\n-----END CERTIFICATE REQUEST-----\n`),
    );
    await fc.assert(
      fc.asyncProperty(pem, async (csr) => {
        await expect(associate('MyPuppet', 'web-1', { PUPPET_NODE_CSR: csr })).rejects.toMatchObject({
          code: 'ValidationException',
        });
      }),
    );
  });
});

/** The same request with the last byte of its signature changed. */
function forge(csr: string): string {
  const [begin, ...lines] = csr.trim().split('\n');
  const der = Buffer.from(lines.slice(0, -1).join(''), 'base64');
  der.writeUInt8(der.readUInt8(der.length - 1) ^ 1, der.length - 1);
  return `${begin}\n${der.toString('base64')}\n${lines.at(-1)}\n`;
}

describe('a server’s state', () => {
  it('refuses associations in every status but HEALTHY, and names the status', async () => {
    const { launch, cm, ask, associate } = await world();
    const attributes = { CHEF_NODE_PUBLIC_KEY: await launch().publicKeyPem() };
    const statuses: ServerStatus[] = ['BACKING_UP', 'CONNECTION_LOST', 'CREATING', 'FAILED', 'TERMINATED', 'UNHEALTHY'];
    for (const status of statuses) {
      cm.setStatus('MyChef', status);
      await expect(associate('MyChef', 'web-1', attributes)).rejects.toMatchObject({
        code: 'InvalidStateException',
        statusCode: 400,
        message: `Cannot associate a node while server MyChef is ${status}; it must be HEALTHY.`,
      });
      await expect(
        ask('DisassociateNode', {
          ServerName: 'MyChef',
          NodeName: 'web-1',
          EngineAttributes: engineAttributes({ CHEF_ORGANIZATION: 'default' }),
        }),
      ).rejects.toMatchObject({ code: 'InvalidStateException' });
    }
    cm.setStatus('MyChef', 'HEALTHY');
    await expect(associate('MyChef', 'web-1', attributes)).resolves.toBeTruthy();
  });

  it('is UNDER_MAINTENANCE until the last maintenance that was asked for ends, unless its status is set', async () => {
    const { clock, cm, servers } = await world();
    const status = async () => (await servers({ ServerName: 'MyChef' })).Servers?.[0]?.Status;
    cm.maintenance('MyChef', 60);
    await clock.advance(50_000);
    cm.maintenance('MyChef', 60);
    await clock.advance(59_999);
    expect(await status()).toBe('UNDER_MAINTENANCE');
    await clock.advance(1);
    expect(await status()).toBe('HEALTHY');
    cm.maintenance('MyChef', 60);
    cm.setStatus('MyChef', 'FAILED');
    await clock.advance(120_000);
    expect(await status()).toBe('FAILED');
  });

  it('does not exist under another name', async () => {
    const { launch, ask, associate, servers } = await world();
    const attributes = { CHEF_NODE_PUBLIC_KEY: await launch().publicKeyPem() };
    const refusal = { code: 'ResourceNotFoundException' };
    await expect(associate('Nothing', 'web-1', attributes)).rejects.toMatchObject(refusal);
    await expect(servers({ ServerName: 'Nothing' })).rejects.toMatchObject(refusal);
    await expect(ask('DisassociateNode', { ServerName: 'Nothing', NodeName: 'a' })).rejects.toMatchObject(refusal);
  });

  it('is described with its engine, ARN and endpoint, by page', async () => {
    const { servers } = await world();
    const first = await servers({ MaxResults: 1 });
    expect(first.Servers).toMatchObject([
      {
        ServerName: 'MyChef',
        Engine: 'ChefAutomate',
        EngineModel: 'Single',
        Status: 'HEALTHY',
        EngineAttributes: [],
        ServerArn: expect.stringMatching(/^arn:aws:opsworks-cm:eu-west-1:123456789012:server\/MyChef\/[0-9a-f-]{36}$/),
        Endpoint: expect.stringMatching(/^mychef-[0-9a-f]{16}\.eu-west-1\.opsworks-cm\.io$/),
      },
    ]);
    const second = await servers({ MaxResults: 1, ...(first.NextToken ? { NextToken: first.NextToken } : {}) });
    expect(second.Servers?.map(({ ServerName }) => ServerName)).toEqual(['MyPuppet']);
    expect(second.NextToken).toBeUndefined();
    await expect(servers({ NextToken: '!' })).rejects.toMatchObject({ code: 'InvalidNextTokenException' });
  });
});

describe('a token', () => {
  it('is known to its own server only, and for a day after its request ended', async () => {
    const { clock, launch, associate, status } = await world();
    const token = await associate('MyChef', 'web-1', { CHEF_NODE_PUBLIC_KEY: await launch().publicKeyPem() });
    const refusal = { code: 'ResourceNotFoundException' };
    await expect(status('MyPuppet', token)).rejects.toMatchObject(refusal);
    await expect(status('MyChef', 'nothing')).rejects.toMatchObject(refusal);
    await clock.advance(24 * 3_600_000);
    await expect(status('MyChef', token)).resolves.toMatchObject({ NodeAssociationStatus: 'SUCCESS' });
    await clock.advance(60_000);
    await expect(status('MyChef', token)).rejects.toMatchObject(refusal);
  });
});

describe('disassociating a node', () => {
  it('takes the node and its certificate away, after which another key may have the name', async () => {
    const { launch, cm, ask, associate, status, outcome } = await world();
    const [node, successor] = [launch(), launch()];
    const first = await associate('MyPuppet', 'web-1', { PUPPET_NODE_CSR: await node.csr('web-1') });
    expect(await outcome('MyPuppet', first)).toBe('SUCCESS');
    const disassociate = async () =>
      (await ask<AssociateNodeResponse>('DisassociateNode', { ServerName: 'MyPuppet', NodeName: 'web-1' }))
        .NodeAssociationStatusToken ?? '';
    const token = await disassociate();
    expect((await status('MyPuppet', token)).NodeAssociationStatus).toBe('IN_PROGRESS');
    expect(await outcome('MyPuppet', token)).toBe('SUCCESS');
    expect(cm.associations('MyPuppet')).toEqual([]);
    expect((await status('MyPuppet', first)).EngineAttributes).toEqual([]);
    expect(await outcome('MyPuppet', await disassociate())).toBe('SUCCESS');
    const next = await associate('MyPuppet', 'web-1', { PUPPET_NODE_CSR: await successor.csr('web-1') });
    expect(await outcome('MyPuppet', next)).toBe('SUCCESS');
  });

  it('needs the organization on Chef, and takes no attribute on Puppet', async () => {
    const { ask } = await world();
    const attributes = engineAttributes({ CHEF_ORGANIZATION: 'default' });
    const disassociate = (ServerName: string, EngineAttributes: EngineAttribute[]) =>
      ask('DisassociateNode', { ServerName, NodeName: 'web-1', EngineAttributes });
    await expect(disassociate('MyChef', [])).rejects.toMatchObject({ code: 'ValidationException' });
    await expect(disassociate('MyPuppet', attributes)).rejects.toMatchObject({ code: 'ValidationException' });
    await expect(disassociate('MyChef', attributes)).resolves.toBeTruthy();
  });
});

describe('the service’s rate', () => {
  it('is five calls a second with a burst of ten, for all operations together, refused ones included', async () => {
    const { clock, cm, ask, servers } = await world({});
    const calls = Array.from({ length: 14 }, (_, index) =>
      index % 2 ? servers({}) : ask('DisassociateNode', { ServerName: 'Nothing', NodeName: 'a' }),
    );
    const outcomes = await Promise.allSettled(calls);
    const throttled = { status: 'rejected', reason: { code: 'ThrottlingException', statusCode: 400 } };
    expect(outcomes.slice(0, 10)).not.toContainEqual(expect.objectContaining({ reason: throttled.reason }));
    expect(outcomes.slice(10)).toMatchObject([throttled, throttled, throttled, throttled]);
    expect(cm.snapshot()).toMatchObject({ throttled: 4 });
    await clock.advance(200);
    await expect(servers({})).resolves.toBeTruthy();
    await expect(servers({})).rejects.toMatchObject({ code: 'ThrottlingException', message: 'Rate exceeded' });
  });

  it('can be switched off', async () => {
    const { servers } = await world({ rate: false });
    const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => servers({ ServerName: 'MyChef' })));
    expect(outcomes.every(({ status }) => status === 'fulfilled')).toBe(true);
  });
});
