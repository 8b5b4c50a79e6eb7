import type {
  DescribeInstanceInformationCommandInput,
  DescribeInstanceInformationResult,
  GetCommandInvocationResult,
  SendCommandCommandInput,
  SendCommandResult,
} from '@aws-sdk/client-ssm';
import { describe, expect, it } from 'vitest';
import { collectIdentity, installCredentials } from '../../../../local/documents.ts';
import type { CommandDocument } from '../../../../world/services/ssm/documents.ts';
import { OUTCOMES } from '../../../../world/services/ssm/outcomes.ts';
import { SystemsManager } from '../../../../world/services/ssm/ssm.ts';
import { call } from '../../../support/call.ts';
import { machines } from '../../../support/machines.ts';

const loud: CommandDocument = {
  parameters: {},
  run: async () => ({ stdout: 'o'.repeat(30_000), stderr: 'e'.repeat(10_000), exitCode: 0 }),
};

const CREDENTIALS = ['NodeName', 'Certificate', 'CaCertificate', 'Server', 'ServerPort', 'Environment', 'FirstRun'];
const DOCUMENTS: Record<string, CommandDocument> = {
  CollectIdentity: { parameters: { NodeName: { allowedPattern: '^[a-z0-9.-]+$' }, Agent: {} }, run: collectIdentity },
  InstallCredentials: {
    parameters: Object.fromEntries(CREDENTIALS.map((name) => [name, {}])),
    run: installCredentials,
  },
  Loud: loud,
  Timed: {
    parameters: {
      Seconds: {
        default: '60',
        allowedPattern: '([1-9][0-9]{0,4})|(1[0-6][0-9]{4})|(17[0-1][0-9]{3})|(172[0-7][0-9]{2})|(172800)',
      },
    },
    run: loud.run,
  },
};

async function world(options: { isAuthorized?: (instanceId: string) => boolean } = {}) {
  const { clock, random, fleet, launch } = await machines();
  const ssm = new SystemsManager({
    clock,
    random,
    fleet,
    documents: DOCUMENTS,
    ...options,
    timing: { visibleAfterSeconds: 1, deliveredAfterSeconds: 2, runSeconds: 3 },
  });
  const send = (input: Partial<SendCommandCommandInput>) =>
    call<SendCommandResult>(ssm.service, 'SendCommand', {
      DocumentName: 'CollectIdentity',
      Parameters: { NodeName: ['web-1'], Agent: ['any'] },
      ...input,
    });
  const commandId = async (input: Partial<SendCommandCommandInput>) => (await send(input)).Command?.CommandId ?? '';
  const invocation = (CommandId: string, InstanceId: string, PluginName?: string) =>
    call<GetCommandInvocationResult>(ssm.service, 'GetCommandInvocation', {
      CommandId,
      InstanceId,
      ...(PluginName === undefined ? {} : { PluginName }),
    });
  const information = (input: DescribeInstanceInformationCommandInput) =>
    call<DescribeInstanceInformationResult>(ssm.service, 'DescribeInstanceInformation', input);
  return { clock, fleet, launch, ssm, send, commandId, invocation, information };
}

describe('SendCommand', () => {
  it('refuses a machine whose agent is not up, and one that nobody knows, naming them', async () => {
    const { clock, launch, send } = await world();
    const [young, ready] = [launch({ agentUpAfterSeconds: 60 }), launch()];
    await clock.advance(20_000);
    await expect(send({ InstanceIds: [ready.instanceId, young.instanceId, 'i-unknown'] })).rejects.toMatchObject({
      code: 'InvalidInstanceId',
      statusCode: 400,
      message: `Instances [[${young.instanceId}, i-unknown]] not in a valid state for account 123456789012`,
    });
    await clock.advance(40_000);
    const { Command } = await send({ InstanceIds: [young.instanceId], Comment: 'hello' });
    expect(Command).toMatchObject({ Status: 'Pending', InstanceIds: [young.instanceId], Comment: 'hello' });
  });

  it('refuses an unknown document, and parameters that the document does not take as given', async () => {
    const { clock, launch, send } = await world();
    const InstanceIds = [launch().instanceId];
    await clock.advance(20_000);
    await expect(send({ InstanceIds, DocumentName: 'Nothing' })).rejects.toMatchObject({
      code: 'InvalidDocument',
      message: 'Document with name Nothing does not exist.',
    });
    const Agent = ['any'];
    for (const Parameters of [
      {},
      { NodeName: [] },
      { NodeName: ['a', 'b'] },
      { NodeName: ['a'], Nodename: ['a'] },
      { NodeName: ["a'; rm"] },
    ])
      await expect(send({ InstanceIds, Parameters: { Agent, ...Parameters } })).rejects.toMatchObject({
        code: 'InvalidParameters',
      });
  });

  it('compares the whole of a value with its pattern, and takes the default where none is sent', async () => {
    const { clock, launch, send } = await world();
    const InstanceIds = [launch().instanceId];
    await clock.advance(20_000);
    // Patterns as AWS's own documents have them: a part of each refused value matches.
    for (const [Seconds, isTaken] of [
      ['172800', true],
      ['999999', false],
      ['60s', false],
      ['60\n', false],
      ['', false],
    ] as const) {
      const sent = send({ InstanceIds, DocumentName: 'Timed', Parameters: { Seconds: [Seconds] } });
      if (isTaken) await expect(sent).resolves.toMatchObject({ Command: { Status: 'Pending' } });
      else await expect(sent).rejects.toMatchObject({ code: 'InvalidParameters' });
    }
    await expect(send({ InstanceIds, DocumentName: 'Timed', Parameters: {} })).resolves.toBeDefined();
  });

  it('takes 1 to 50 different instance ids, and no targets', async () => {
    const { clock, launch, send } = await world();
    const ids = Array.from({ length: 51 }, () => launch().instanceId);
    await clock.advance(20_000);
    await expect(send({ InstanceIds: ids })).rejects.toMatchObject({ code: 'ValidationException' });
    await expect(send({ InstanceIds: [] })).rejects.toMatchObject({ code: 'ValidationException' });
    await expect(send({ Targets: [{ Key: 'tag:a', Values: ['b'] }] })).rejects.toMatchObject({
      code: 'ValidationException',
    });
    await expect(send({ InstanceIds: [ids[0] ?? '', ids[0] ?? ''] })).rejects.toMatchObject({
      code: 'DuplicateInstanceId',
    });
    expect((await send({ InstanceIds: ids.slice(0, 50) })).Command?.TargetCount).toBe(50);
  });
});

describe('GetCommandInvocation', () => {
  it('knows nothing right after sending, then Pending, InProgress, Success with the output', async () => {
    const { clock, launch, commandId, invocation } = await world();
    const node = launch();
    await clock.advance(20_000);
    const id = await commandId({ InstanceIds: [node.instanceId] });
    await expect(invocation(id, node.instanceId)).rejects.toMatchObject({ code: 'InvocationDoesNotExist' });
    await clock.advance(1000);
    expect(await invocation(id, node.instanceId)).toMatchObject({ Status: 'Pending', ResponseCode: -1 });
    await clock.advance(1000);
    expect(await invocation(id, node.instanceId)).toMatchObject({ Status: 'InProgress', StandardOutputContent: '' });
    await clock.advance(3000);
    const done = await invocation(id, node.instanceId);
    expect(done).toMatchObject({
      Status: 'Success',
      StatusDetails: 'Success',
      ResponseCode: 0,
      StandardErrorContent: '',
      ExecutionElapsedTime: 'PT3S',
    });
    expect(JSON.parse(done.StandardOutputContent ?? '')).toMatchObject({ csr: await node.csr('web-1') });
  });

  it('knows no other command, instance or plugin', async () => {
    const { clock, launch, commandId, invocation } = await world();
    const [node, other] = [launch(), launch()];
    await clock.advance(20_000);
    const id = await commandId({ InstanceIds: [node.instanceId] });
    await clock.advance(10_000);
    await expect(invocation(id, other.instanceId)).rejects.toMatchObject({ code: 'InvocationDoesNotExist' });
    await expect(invocation('nothing', node.instanceId)).rejects.toMatchObject({ code: 'InvocationDoesNotExist' });
    await expect(invocation(id, node.instanceId, 'x')).rejects.toMatchObject({ code: 'InvalidPluginName' });
    expect(await invocation(id, node.instanceId, 'aws:runShellScript')).toMatchObject({ Status: 'Success' });
  });

  it('cuts the output where the agent cuts it', async () => {
    const { clock, launch, commandId, invocation } = await world();
    const { instanceId } = launch();
    await clock.advance(20_000);
    const id = await commandId({ InstanceIds: [instanceId], DocumentName: 'Loud', Parameters: {} });
    await clock.advance(10_000);
    const { StandardOutputContent, StandardErrorContent } = await invocation(id, instanceId);
    expect([StandardOutputContent?.length, StandardErrorContent?.length]).toEqual([24_000, 8_000]);
  });

  it('shows a script that died as Failed, with its last words and exit code 1', async () => {
    const { clock, launch, commandId, invocation } = await world();
    const node = launch();
    await clock.advance(20_000);
    const id = await commandId({
      InstanceIds: [node.instanceId],
      DocumentName: 'InstallCredentials',
      Parameters: {
        ...{ NodeName: ['web-1'], Certificate: ['no PEM'], CaCertificate: ['no PEM'] },
        ...{ Server: [''], ServerPort: [''], Environment: [''], FirstRun: ['none'] },
      },
    });
    await clock.advance(10_000);
    const failed = await invocation(id, node.instanceId);
    expect(failed).toMatchObject({ Status: 'Failed', ResponseCode: 1, StandardOutputContent: '' });
    expect(failed.StandardErrorContent).not.toBe('');
    expect(node.installed).toBeUndefined();
  });

  it('times out when the machine goes off before delivery, and when it goes off while the script runs', async () => {
    const { clock, launch, commandId, invocation } = await world();
    const [early, late] = [launch(), launch()];
    await clock.advance(20_000);
    const id = await commandId({ InstanceIds: [early.instanceId, late.instanceId], TimeoutSeconds: 60 });
    early.shutDown();
    await clock.advance(3000);
    late.shutDown();
    await clock.advance(56_000);
    expect(await invocation(id, early.instanceId)).toMatchObject({ Status: 'Pending' });
    await clock.advance(1000);
    expect(await invocation(id, early.instanceId)).toMatchObject({
      Status: 'TimedOut',
      StatusDetails: 'DeliveryTimedOut',
    });
    expect(await invocation(id, late.instanceId)).toMatchObject({ Status: 'InProgress' });
    await clock.advance(3_600_000);
    expect(await invocation(id, late.instanceId)).toMatchObject({
      Status: 'TimedOut',
      StatusDetails: 'ExecutionTimedOut',
    });
  });

  it('can be told to be slow or to fail, for one machine and so many times', async () => {
    const { clock, launch, ssm, commandId, invocation } = await world();
    const [node, other] = [launch(), launch()];
    const InstanceIds = [node.instanceId, other.instanceId];
    await clock.advance(20_000);
    ssm.disturb({ instanceId: node.instanceId, slowerBySeconds: 100, times: 1 });
    ssm.disturb({ instanceId: node.instanceId, outcome: { stdout: '', stderr: 'no disk', exitCode: 28 }, times: 1 });
    const [slow, failing, fine] = [
      await commandId({ InstanceIds }),
      await commandId({ InstanceIds }),
      await commandId({ InstanceIds }),
    ];
    await clock.advance(6000);
    expect(await invocation(slow, node.instanceId)).toMatchObject({ Status: 'InProgress' });
    expect(await invocation(slow, other.instanceId)).toMatchObject({ Status: 'Success' });
    expect(await invocation(failing, node.instanceId)).toMatchObject({
      Status: 'Failed',
      ResponseCode: 28,
      StandardErrorContent: 'no disk',
    });
    expect(await invocation(fine, node.instanceId)).toMatchObject({ Status: 'Success' });
    expect(ssm.snapshot()).toEqual({ commands: { Success: 4, Failed: 1, InProgress: 1 } });
    await clock.advance(100_000);
    expect(await invocation(slow, node.instanceId)).toMatchObject({ Status: 'Success' });
  });
});

describe('an end that is not the answer of the script', () => {
  it.each([
    ['processFailed', { Status: 'Failed', StatusDetails: 'Failed', ResponseCode: -1 }],
    ['undeliverable', { Status: 'Failed', StatusDetails: 'Undeliverable', ResponseCode: -1 }],
    ['terminated', { Status: 'Failed', StatusDetails: 'Terminated', ResponseCode: -1 }],
    ['deliveryTimedOut', { Status: 'TimedOut', StatusDetails: 'DeliveryTimedOut', ResponseCode: -1 }],
    ['stopped', { Status: 'Failed', StatusDetails: 'Failed', ResponseCode: 143 }],
    ['killed', { Status: 'Failed', StatusDetails: 'Failed', ResponseCode: 137 }],
    ['skippedOnWindows', { Status: 'Success', StatusDetails: 'Success', ResponseCode: 0 }],
    ['hostileOutput', { Status: 'Failed', ResponseCode: 1 }],
  ] as const)('%s, and the next command is answered', async (name, shown) => {
    const { clock, ssm, launch, commandId, invocation } = await world();
    const { instanceId } = launch();
    await clock.advance(20_000);
    ssm.disturb({ outcome: OUTCOMES[name], times: 1 });
    const disturbed = await commandId({ InstanceIds: [instanceId] });
    await clock.advance(10_000);
    const { stdout, stderr } = OUTCOMES[name];
    expect(await invocation(disturbed, instanceId)).toMatchObject({
      ...shown,
      StandardOutputContent: stdout,
      StandardErrorContent: stderr,
    });
    const next = await commandId({ InstanceIds: [instanceId] });
    await clock.advance(10_000);
    expect(await invocation(next, instanceId)).toMatchObject({ Status: 'Success', ResponseCode: 0 });
  });
});

it("refuses a command to an instance that the caller's policy does not allow", async () => {
  let isTagged = false;
  const { clock, launch, send } = await world({ isAuthorized: () => isTagged });
  const InstanceIds = [launch().instanceId];
  await clock.advance(20_000);
  await expect(send({ InstanceIds })).rejects.toMatchObject({
    code: 'AccessDeniedException',
    message: expect.stringContaining('ssm:SendCommand on resource: arn:aws:ec2:eu-west-1:123456789012:instance/'),
  });
  isTagged = true;
  expect(await send({ InstanceIds })).toMatchObject({ Command: { Status: 'Pending' } });
});

describe('DescribeInstanceInformation', () => {
  it('lists the machines whose agent has reported, Online or ConnectionLost, by page', async () => {
    const { clock, fleet, launch, information } = await world();
    const nodes = Array.from({ length: 7 }, () => launch());
    launch({ agentUpAfterSeconds: Number.POSITIVE_INFINITY });
    expect((await information({})).InstanceInformationList).toEqual([]);
    await clock.advance(20_000);
    nodes[1]?.shutDown();
    const first = await information({ MaxResults: 5 });
    fleet.remove(nodes[0]?.instanceId ?? '');
    const second = await information({ MaxResults: 5, NextToken: first.NextToken });
    const shown = [...(first.InstanceInformationList ?? []), ...(second.InstanceInformationList ?? [])];
    expect(shown.map(({ InstanceId }) => InstanceId)).toEqual(nodes.map(({ instanceId }) => instanceId));
    expect(shown.map(({ PingStatus }) => PingStatus).slice(0, 3)).toEqual(['Online', 'ConnectionLost', 'Online']);
    expect(second.NextToken).toBeUndefined();
    await expect(information({ NextToken: 'nonsense' })).rejects.toMatchObject({ code: 'InvalidNextToken' });
  });

  it('filters by instance id and ping status in both spellings, and refuses an unknown key', async () => {
    const { clock, launch, information } = await world();
    const [on, off, managed] = [launch(), launch(), launch({ instanceId: 'mi-00000000000000001' })];
    await clock.advance(20_000);
    off.shutDown();
    const ids = async (input: DescribeInstanceInformationCommandInput) =>
      (await information(input)).InstanceInformationList?.map(({ InstanceId }) => InstanceId);
    expect(await ids({ Filters: [{ Key: 'InstanceIds', Values: [on.instanceId, 'i-unknown'] }] })).toEqual([
      on.instanceId,
    ]);
    expect(await ids({ InstanceInformationFilterList: [{ key: 'PingStatus', valueSet: ['ConnectionLost'] }] })).toEqual(
      [off.instanceId],
    );
    expect(await ids({ Filters: [{ Key: 'ResourceType', Values: ['ManagedInstance'] }] })).toEqual([
      managed.instanceId,
    ]);
    await expect(ids({ Filters: [{ Key: 'Colour', Values: ['red'] }] })).rejects.toMatchObject({
      code: 'InvalidFilterKey',
    });
  });
});
