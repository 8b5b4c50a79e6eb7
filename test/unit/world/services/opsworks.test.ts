import type {
  DescribeInstancesCommandInput,
  DescribeInstancesResult,
  DescribeLayersResult,
  DescribeStacksResult,
  RegisterInstanceCommandInput,
  RegisterInstanceResult,
} from '@aws-sdk/client-opsworks';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SimulatedNode } from '../../../../world/machines/node.ts';
import { OpsWorks } from '../../../../world/services/opsworks/opsworks.ts';
import { call } from '../../../support/call.ts';
import { machines } from '../../../support/machines.ts';

const WEB = '11111111-1111-4111-8111-111111111111';
const OTHER = '22222222-2222-4222-8222-222222222222';
const CUSTOM = '33333333-3333-4333-8333-333333333333';
const BUILT_IN = '44444444-4444-4444-8444-444444444444';
const ELSEWHERE = '55555555-5555-4555-8555-555555555555';

async function world() {
  const { clock, random, fleet, signer, launch } = await machines();
  const opsworks = new OpsWorks({
    clock,
    random,
    fleet,
    signer,
    stacks: [
      {
        StackId: WEB,
        Name: 'web',
        Layers: [
          { LayerId: CUSTOM, Name: 'App', Shortname: 'app', Type: 'custom' },
          { LayerId: BUILT_IN, Name: 'PHP', Shortname: 'php-app', Type: 'php-app' },
        ],
      },
      {
        StackId: OTHER,
        Name: 'other',
        Layers: [{ LayerId: ELSEWHERE, Name: 'App', Shortname: 'app', Type: 'custom' }],
      },
    ],
    timing: {
      registeringSeconds: 30,
      runningSetupSeconds: 60,
      assigningSeconds: 20,
      unassigningSeconds: 10,
      deregisteringSeconds: 5,
    },
  });
  const ask = <Answer>(operation: string, input: object) => call<Answer>(opsworks.service, operation, input);
  const register = async (input: Partial<RegisterInstanceCommandInput>) =>
    (await ask<RegisterInstanceResult>('RegisterInstance', { StackId: WEB, ...input })).InstanceId ?? '';
  const registerNode = async (node: SimulatedNode) => register({ InstanceIdentity: await identityOf(node) });
  const instances = async (input: DescribeInstancesCommandInput) =>
    (await ask<DescribeInstancesResult>('DescribeInstances', input)).Instances ?? [];
  const status = async (id: string) => (await instances({ InstanceIds: [id] }))[0]?.Status;
  return { clock, fleet, launch, opsworks, ask, register, registerNode, instances, status };
}

async function identityOf(node: SimulatedNode) {
  const { document, signature } = await node.identity();
  return { Document: document, Signature: signature };
}

describe('RegisterInstance', () => {
  it('leads from registering through running_setup to registered, as the agent on the node reports', async () => {
    const { clock, launch, registerNode, instances, status } = await world();
    const node = launch();
    const id = await registerNode(node);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(await instances({ InstanceIds: [id] })).toMatchObject([
      {
        InstanceId: id,
        StackId: WEB,
        Ec2InstanceId: node.instanceId,
        InfrastructureClass: 'ec2',
        Status: 'registering',
        LayerIds: [],
        CreatedAt: '2024-05-01T10:00:00+00:00',
      },
    ]);
    await clock.advance(30_000);
    expect(await status(id)).toBe('running_setup');
    await clock.advance(60_000);
    expect(await status(id)).toBe('registered');
  });

  it('takes between 60 and 120 seconds unless it is told otherwise', async () => {
    const { clock, fleet, signer, launch } = await machines();
    for (const [chance, seconds] of [
      [0, 60],
      [0.5, 90],
      [1 - Number.EPSILON, 120],
    ] as const) {
      const { service } = new OpsWorks({
        clock,
        random: () => chance,
        fleet,
        signer,
        stacks: [{ StackId: WEB, Name: 'web', Layers: [] }],
      });
      const { InstanceId } = await call<RegisterInstanceResult>(service, 'RegisterInstance', {
        StackId: WEB,
        Hostname: launch().instanceId,
      });
      const status = async () =>
        (await call<DescribeInstancesResult>(service, 'DescribeInstances', { InstanceIds: [InstanceId] }))
          .Instances?.[0]?.Status;
      await clock.advance(seconds * 1000 - 10);
      expect(await status()).toBe('running_setup');
      await clock.advance(20);
      expect(await status()).toBe('registered');
    }
  });

  it('is not idempotent: called twice it makes two records', async () => {
    const { launch, registerNode, instances } = await world();
    const node = launch();
    const [first, second] = [await registerNode(node), await registerNode(node)];
    expect(first).not.toBe(second);
    expect((await instances({ StackId: WEB })).map(({ Ec2InstanceId }) => Ec2InstanceId)).toEqual([
      node.instanceId,
      node.instanceId,
    ]);
  });

  it('stays registering for ever without an agent on the node, and with another machine’s key', async () => {
    const { clock, launch, register, registerNode, status } = await world();
    const [bare, node, other] = [launch({ hasOpsWorksAgent: false }), launch(), launch()];
    const ids = [
      await registerNode(bare),
      await register({ InstanceIdentity: await identityOf(node), RsaPublicKey: await other.publicKeyPem() }),
      await register({ Hostname: 'nobody' }),
    ];
    const good = await register({ InstanceIdentity: await identityOf(node), RsaPublicKey: await node.publicKeyPem() });
    await clock.advance(24 * 3_600_000);
    expect(await Promise.all(ids.map(status))).toEqual(['registering', 'registering', 'registering']);
    expect(await status(good)).toBe('registered');
  });

  it('stays registering when the machine goes off before its agent has reported', async () => {
    const { clock, launch, registerNode, status } = await world();
    const node = launch();
    const id = await registerNode(node);
    node.shutDown();
    await clock.advance(3_600_000);
    expect(await status(id)).toBe('registering');
  });

  it('finds the machine of a registration without identity document by its private address or its name', async () => {
    const { clock, launch, register, instances } = await world();
    const [byAddress, byName] = [launch(), launch()];
    const ids = [
      await register({ PrivateIp: byAddress.machine.privateIp }),
      await register({ Hostname: byName.instanceId }),
    ];
    await clock.advance(120_000);
    expect(await instances({ InstanceIds: ids })).toMatchObject([
      { Status: 'registered', InfrastructureClass: 'on-premises', PrivateIp: '10.0.0.1' },
      { Status: 'registered', InfrastructureClass: 'on-premises', Hostname: byName.instanceId },
    ]);
  });

  it('refuses an unknown stack, a long host name, a key that is none, and an identity that proves nothing', async () => {
    const { launch, register, instances } = await world();
    const identity = await identityOf(launch());
    await expect(register({ StackId: CUSTOM })).rejects.toMatchObject({
      code: 'ResourceNotFoundException',
      statusCode: 400,
      message: `Unable to find stack with ID ${CUSTOM}`,
    });
    const altered = { ...identity, Document: identity.Document.replace('t3.micro', 't3.large') };
    for (const input of [
      { Hostname: 'h'.repeat(64) },
      { RsaPublicKey: 'ssh-rsa AAAA' },
      { InstanceIdentity: altered },
      { InstanceIdentity: { Document: identity.Document } },
      { InstanceIdentity: { Signature: identity.Signature } },
    ])
      await expect(register(input)).rejects.toMatchObject({ code: 'ValidationException' });
    expect(await instances({ StackId: WEB })).toEqual([]);
    await expect(register({ Hostname: 'h'.repeat(63) })).resolves.toBeTruthy();
  });

  it('never believes a signature over another text', async () => {
    const { launch, register } = await world();
    const { Signature } = await identityOf(launch());
    await fc.assert(
      fc.asyncProperty(fc.string(), async (Document) => {
        await expect(register({ InstanceIdentity: { Document, Signature } })).rejects.toMatchObject({
          code: 'ValidationException',
        });
      }),
    );
  });
});

describe('AssignInstance', () => {
  it('brings a registered instance online in a custom layer of its stack', async () => {
    const { clock, launch, ask, registerNode, instances, status } = await world();
    const id = await registerNode(launch());
    await clock.advance(91_000);
    expect(await ask('AssignInstance', { InstanceId: id, LayerIds: [CUSTOM] })).toEqual({});
    expect(await status(id)).toBe('assigning');
    await clock.advance(20_000);
    expect(await instances({ LayerId: CUSTOM })).toMatchObject([
      { InstanceId: id, Status: 'online', LayerIds: [CUSTOM] },
    ]);
    await ask('UnassignInstance', { InstanceId: id });
    expect(await status(id)).toBe('unassigning');
    await clock.advance(10_000);
    expect(await status(id)).toBe('registered');
    expect(await instances({ LayerId: CUSTOM })).toEqual([]);
  });

  it('ends in setup_failed when the recipes fail on the machine', async () => {
    const { clock, launch, ask, registerNode, status } = await world();
    const id = await registerNode(launch({ setupFails: true }));
    await clock.advance(91_000);
    await ask('AssignInstance', { InstanceId: id, LayerIds: [CUSTOM] });
    await clock.advance(20_000);
    expect(await status(id)).toBe('setup_failed');
  });

  it('refuses an instance that is not registered yet or is being assigned, and names its status', async () => {
    const { clock, launch, ask, registerNode } = await world();
    const id = await registerNode(launch());
    const assign = () => ask('AssignInstance', { InstanceId: id, LayerIds: [CUSTOM] });
    await expect(assign()).rejects.toMatchObject({
      code: 'ValidationException',
      message: expect.stringContaining('while it is registering'),
    });
    await clock.advance(91_000);
    await assign();
    await expect(assign()).rejects.toMatchObject({ message: expect.stringContaining('while it is assigning') });
  });

  it('refuses built-in layers, layers of another stack, unknown layers and unknown instances', async () => {
    const { clock, launch, ask, registerNode, status } = await world();
    const id = await registerNode(launch());
    await clock.advance(91_000);
    for (const [LayerIds, code] of [
      [[BUILT_IN], 'ValidationException'],
      [[CUSTOM, ELSEWHERE], 'ValidationException'],
      [[], 'ValidationException'],
      [[WEB], 'ResourceNotFoundException'],
    ] as const)
      await expect(ask('AssignInstance', { InstanceId: id, LayerIds })).rejects.toMatchObject({ code });
    await expect(ask('AssignInstance', { InstanceId: WEB, LayerIds: [CUSTOM] })).rejects.toMatchObject({
      code: 'ResourceNotFoundException',
    });
    expect(await status(id)).toBe('registered');
  });
});

describe('DeregisterInstance', () => {
  it('makes the record disappear, whatever state it is in', async () => {
    const { clock, launch, ask, registerNode, instances, status } = await world();
    const id = await registerNode(launch());
    await ask('DeregisterInstance', { InstanceId: id });
    expect(await status(id)).toBe('deregistering');
    await expect(ask('DeregisterInstance', { InstanceId: id })).rejects.toMatchObject({ code: 'ValidationException' });
    await clock.advance(24 * 3_600_000);
    expect(await instances({ StackId: WEB })).toEqual([]);
    await expect(ask('DeregisterInstance', { InstanceId: id })).rejects.toMatchObject({
      code: 'ResourceNotFoundException',
      message: `Unable to find instance with ID ${id}`,
    });
  });

  it('ends what was going on: no agent brings the record back', async () => {
    const { clock, launch, ask, registerNode, status } = await world();
    const id = await registerNode(launch());
    await clock.advance(28_000);
    await ask('DeregisterInstance', { InstanceId: id });
    await clock.advance(3000);
    expect(await status(id)).toBe('deregistering');
  });
});

describe('DescribeInstances', () => {
  it('takes exactly one of StackId, LayerId and InstanceIds', async () => {
    const { instances } = await world();
    for (const input of [{}, { StackId: WEB, LayerId: CUSTOM }, { StackId: WEB, InstanceIds: [] }])
      await expect(instances(input)).rejects.toMatchObject({
        code: 'ValidationException',
        message: 'Please provide either one or more instance IDs or one stack ID or one layer ID',
      });
  });

  it('refuses what it cannot find', async () => {
    const { instances } = await world();
    for (const input of [{ StackId: CUSTOM }, { LayerId: WEB }, { InstanceIds: [WEB] }])
      await expect(instances(input)).rejects.toMatchObject({ code: 'ResourceNotFoundException' });
  });

  it('shows a machine that went off as connection_lost', async () => {
    const { clock, fleet, launch, registerNode, status } = await world();
    const node = launch();
    const id = await registerNode(node);
    await clock.advance(91_000);
    fleet.remove(node.instanceId);
    expect(await status(id)).toBe('connection_lost');
  });
});

describe('the stacks', () => {
  it('are described with their layers', async () => {
    const { ask, opsworks } = await world();
    const all = await ask<DescribeStacksResult>('DescribeStacks', {});
    expect(all.Stacks?.map(({ Name }) => Name)).toEqual(['web', 'other']);
    const layers = await ask<DescribeLayersResult>('DescribeLayers', { StackId: WEB });
    expect(layers.Layers).toMatchObject([
      { LayerId: CUSTOM, StackId: WEB, Type: 'custom' },
      { LayerId: BUILT_IN, StackId: WEB, Type: 'php-app' },
    ]);
    const one = await ask<DescribeLayersResult>('DescribeLayers', { LayerIds: [ELSEWHERE] });
    expect(one.Layers).toMatchObject([{ LayerId: ELSEWHERE, StackId: OTHER }]);
    await expect(ask('DescribeLayers', {})).rejects.toMatchObject({ code: 'ValidationException' });
    await expect(ask('DescribeStacks', { StackIds: [CUSTOM] })).rejects.toMatchObject({
      code: 'ResourceNotFoundException',
    });
    expect(opsworks.snapshot()).toEqual({ instances: [] });
  });
});
