import {
  AutoScalingClient,
  CompleteLifecycleActionCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeLifecycleHooksCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  DescribeInstancesCommand,
  EC2Client,
  ModifyInstanceMetadataOptionsCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { GetInstanceCommand, LightsailClient, UpdateInstanceMetadataOptionsCommand } from '@aws-sdk/client-lightsail';
import { DeregisterInstanceCommand, OpsWorksClient, RegisterInstanceCommand } from '@aws-sdk/client-opsworks';
import { AssociateNodeCommand, DescribeServersCommand, OpsWorksCMClient } from '@aws-sdk/client-opsworkscm';
import { ExecutionAlreadyExists, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { GetCommandInvocationCommand, SendCommandCommand, SSMClient } from '@aws-sdk/client-ssm';
import { describe, expect, it } from 'vitest';
import type { ServiceName } from '../../../../world/wire/operations.ts';
import { type Operation, type Service, ServiceError } from '../../../../world/wire/service.ts';
import { openPort, post } from '../../../support/open-port.ts';

const refuse = (code: string, message: string) => () => {
  throw new ServiceError(code, message);
};

/** A service that answers `output` to one operation and remembers what it was asked. */
function answering(name: ServiceName, operation: string, output: unknown) {
  const inputs: unknown[] = [];
  const answer: Operation<never, unknown> = (input) => {
    inputs.push(input);
    return typeof output === 'function' ? output() : output;
  };
  const service: Service = { name, operations: { [operation]: answer } };
  return { service, inputs };
}

describe('AWS JSON', () => {
  it('carries structures, lists and maps both ways through a real client', async () => {
    const sentAt = new Date('2031-05-06T07:08:09.250Z');
    const { service, inputs } = answering('ssm', 'SendCommand', {
      Command: { CommandId: 'c', RequestedDateTime: sentAt, InstanceIds: ['i-12345678'], Parameters: { a: ['b'] } },
    });
    const { client } = await openPort([service]);
    const input = { DocumentName: 'Doc', InstanceIds: ['i-12345678'], Parameters: { NodeName: ['n'] } };
    const { Command, $metadata } = await new SSMClient(client).send(new SendCommandCommand(input));
    expect(inputs).toEqual([input]);
    expect(Command).toMatchObject({ CommandId: 'c', RequestedDateTime: sentAt, Parameters: { a: ['b'] } });
    expect($metadata.requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('answers an operation without output with an empty body', async () => {
    const { service } = answering('opsworks', 'DeregisterInstance', undefined);
    const { client, endpoint } = await openPort([service]);
    await new OpsWorksClient(client).send(new DeregisterInstanceCommand({ InstanceId: 'id' }));
    const target = { 'x-amz-target': 'OpsWorks_20130218.DeregisterInstance' };
    expect((await post(endpoint, target, '{"InstanceId":"id"}')).text).toBe('');
  });

  it('ignores members that the service does not know, and null', async () => {
    const { service, inputs } = answering('opsworks', 'RegisterInstance', { InstanceId: 'id' });
    const { endpoint } = await openPort([service]);
    const body = '{"StackId":"s","Hostname":null,"Nonsense":1,"__proto__":{"PublicIp":"1.2.3.4"}}';
    await post(endpoint, { 'x-amz-target': 'OpsWorks_20130218.RegisterInstance' }, body);
    expect(inputs).toEqual([{ StackId: 's' }]);
  });

  it.each([
    ['{"StackId":5}', 'NUMBER_VALUE can not be converted to a String'],
    ['{"StackId":["s"]}', 'Start of list found where not expected'],
    ['{"StackId":"s","InstanceIdentity":"x"}', 'STRING_VALUE can not be converted to a Structure'],
    ['[]', 'Start of list found where not expected'],
    ['{"StackId"', "The request's body is not JSON"],
  ])('refuses a value of the wrong type: %s', async (body, sentence) => {
    const { service, inputs } = answering('opsworks', 'RegisterInstance', { InstanceId: 'id' });
    const { endpoint } = await openPort([service]);
    const answer = await post(endpoint, { 'x-amz-target': 'OpsWorks_20130218.RegisterInstance' }, body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ __type: 'SerializationException' });
    expect(answer.text).toContain(sentence);
    expect(inputs).toEqual([]);
  });

  it('refuses what breaks the model with the sentence of the service, every fault named', async () => {
    const { service } = answering('opsworks-cm', 'AssociateNode', {});
    const { client } = await openPort([service]);
    const input = { ServerName: '1a', NodeName: undefined, EngineAttributes: [{ Name: 'x'.repeat(10_001) }] };
    const call = new OpsWorksCMClient(client).send(new AssociateNodeCommand(input));
    await expect(call).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringMatching(
        /^3 validation errors detected: Value '1a' at 'serverName' failed to satisfy constraint: Member must satisfy regular expression pattern: \[a-zA-Z\]\[a-zA-Z0-9\\-\]\*; Value null at 'nodeName' failed to satisfy constraint: Member must not be null; Value 'x+' at 'engineAttributes\.1\.member\.name' failed to satisfy constraint: Member must have length less than or equal to 10000$/,
      ),
    });
  });

  it('refuses with the name that Lightsail has for it', async () => {
    const { service } = answering('lightsail', 'UpdateInstanceMetadataOptions', {});
    const { client } = await openPort([service]);
    const input = { instanceName: 'web-1', httpTokens: 'maybe' as 'required' };
    const call = new LightsailClient(client).send(new UpdateInstanceMetadataOptionsCommand(input));
    await expect(call).rejects.toMatchObject({
      name: 'InvalidInputException',
      message: expect.stringContaining('Member must satisfy enum value set: [optional, required]'),
    });
  });

  it('spells the message of an error as the service models it', async () => {
    const services = [
      answering('opsworks-cm', 'DescribeServers', refuse('ResourceNotFoundException', 'No such server.')).service,
      answering('states', 'StartExecution', refuse('ExecutionAlreadyExists', 'It exists.')).service,
    ];
    const { client, endpoint } = await openPort(services);
    const server = new OpsWorksCMClient(client).send(new DescribeServersCommand({}));
    await expect(server).rejects.toMatchObject({ name: 'ResourceNotFoundException', message: 'No such server.' });
    const start = new SFNClient(client).send(new StartExecutionCommand({ stateMachineArn: 'arn:x' }));
    await expect(start).rejects.toBeInstanceOf(ExecutionAlreadyExists);
    const raw = await post(endpoint, { 'x-amz-target': 'OpsWorksCM_V2016_11_01.DescribeServers' }, '{}');
    expect(JSON.parse(raw.text)).toEqual({ __type: 'ResourceNotFoundException', Message: 'No such server.' });
  });

  it('keeps the HTTP status that a double chose', async () => {
    const notFound = new ServiceError('NotFoundException', 'The Instance does not exist: web-1', 404);
    const { service } = answering('lightsail', 'GetInstance', () => {
      throw notFound;
    });
    const { client } = await openPort([service]);
    const call = new LightsailClient(client).send(new GetInstanceCommand({ instanceName: 'web-1' }));
    await expect(call).rejects.toMatchObject({ name: 'NotFoundException', $metadata: { httpStatusCode: 404 } });
  });
});

describe('AWS Query', () => {
  it('reads lists and writes XML that a real client understands', async () => {
    const { service, inputs } = answering('autoscaling', 'DescribeAutoScalingInstances', {
      AutoScalingInstances: [{ InstanceId: 'i-1', LifecycleState: 'Pending:Wait', ProtectedFromScaleIn: false }],
    });
    const { client } = await openPort([service]);
    const input = { InstanceIds: ['i-1', 'i-2', 'i-3'] };
    const answer = await new AutoScalingClient(client).send(new DescribeAutoScalingInstancesCommand(input));
    expect(inputs).toEqual([input]);
    const [instance] = answer.AutoScalingInstances ?? [];
    expect(instance).toMatchObject({ InstanceId: 'i-1', LifecycleState: 'Pending:Wait', ProtectedFromScaleIn: false });
  });

  it('reads an empty list as a list', async () => {
    const { service, inputs } = answering('autoscaling', 'DescribeLifecycleHooks', { LifecycleHooks: [] });
    const { client } = await openPort([service]);
    const input = { AutoScalingGroupName: 'web', LifecycleHookNames: [] };
    const answer = await new AutoScalingClient(client).send(new DescribeLifecycleHooksCommand(input));
    expect(inputs).toEqual([input]);
    expect(answer.LifecycleHooks).toEqual([]);
  });

  it('refuses a missing member and a short token as Auto Scaling does', async () => {
    const { service } = answering('autoscaling', 'CompleteLifecycleAction', {});
    const { client } = await openPort([service]);
    const input = { LifecycleHookName: 'h', AutoScalingGroupName: 'web', LifecycleActionToken: 'short' };
    const command = new CompleteLifecycleActionCommand({ ...input, LifecycleActionResult: undefined });
    await expect(new AutoScalingClient(client).send(command)).rejects.toMatchObject({
      name: 'ValidationError',
      message:
        "2 validation errors detected: Value 'short' at 'lifecycleActionToken' failed to satisfy constraint: Member must " +
        "have length greater than or equal to 36; Value null at 'lifecycleActionResult' failed to satisfy constraint: Member must not be null",
    });
  });

  it('carries a refusal with its code and sentence', async () => {
    const sentence = 'No active Lifecycle Action found with token <x> & more';
    const { service } = answering('autoscaling', 'DescribeLifecycleHooks', refuse('ValidationError', sentence));
    const { client } = await openPort([service]);
    const call = new AutoScalingClient(client).send(new DescribeLifecycleHooksCommand({ AutoScalingGroupName: 'w' }));
    await expect(call).rejects.toMatchObject({ name: 'ValidationError', message: sentence });
  });

  it('uses the code on the wire of an exception whose shape is named otherwise', async () => {
    const { service } = answering('autoscaling', 'DescribeLifecycleHooks', refuse('ResourceContentionFault', 'Busy.'));
    const { endpoint } = await openPort([service]);
    const body = 'Action=DescribeLifecycleHooks&Version=2011-01-01&AutoScalingGroupName=w';
    expect((await post(endpoint, {}, body)).text).toContain('<Code>ResourceContention</Code>');
  });
});

describe('EC2 Query', () => {
  const instance = {
    InstanceId: 'i-1234567890abcdef0',
    LaunchTime: new Date('2031-05-06T07:08:09Z'),
    State: { Code: 16, Name: 'running' },
    Tags: [{ Key: 'role', Value: '<web> & "more"' }],
    MetadataOptions: { State: 'applied', HttpTokens: 'required', HttpPutResponseHopLimit: 2 },
  };

  it('reads nested lists and writes what a real client understands', async () => {
    const { service, inputs } = answering('ec2', 'DescribeInstances', {
      Reservations: [{ ReservationId: 'r-1', Instances: [instance] }],
    });
    const { client } = await openPort([service]);
    const input = { InstanceIds: ['i-1', 'i-2'], Filters: [{ Name: 'tag:role', Values: ['a', 'b'] }], MaxResults: 5 };
    const answer = await new EC2Client(client).send(new DescribeInstancesCommand(input));
    expect(inputs).toEqual([input]);
    expect(answer.Reservations?.[0]?.Instances?.[0]).toMatchObject(instance);
  });

  it('orders a list by the numbers of its items, not by their text or place', async () => {
    const { service, inputs } = answering('ec2', 'DescribeInstances', { Reservations: [] });
    const { endpoint } = await openPort([service]);
    const items = [10, 2, 1].map((number) => `InstanceId.${number}=i-${number}`).join('&');
    await post(endpoint, {}, `Action=DescribeInstances&Version=2016-11-15&${items}`);
    expect(inputs).toEqual([{ InstanceIds: ['i-1', 'i-2', 'i-10'] }]);
  });

  it('does nothing when only a dry run is asked for', async () => {
    const { service, inputs } = answering('ec2', 'TerminateInstances', {});
    const { client } = await openPort([service]);
    const call = new EC2Client(client).send(new TerminateInstancesCommand({ InstanceIds: ['i-1'], DryRun: true }));
    await expect(call).rejects.toMatchObject({ name: 'DryRunOperation', $metadata: { httpStatusCode: 412 } });
    expect(inputs).toEqual([]);
  });

  it.each([
    ['', 'MissingParameter', 'The request must contain the parameter InstanceId'],
    ['&InstanceId=i-1&HttpTokens=maybe', 'InvalidParameterValue', 'Value (maybe) for parameter HttpTokens is invalid.'],
    ['&InstanceId=i-1&HttpPutResponseHopLimit=two', 'InvalidParameterValue', 'Value (two) for parameter HttpPutRes'],
    ['&InstanceId=i-1&Htptokens=required', 'UnknownParameter', 'The parameter Htptokens is not recognized'],
  ])('refuses bad parameters as EC2 does: %s', async (parameters, code, sentence) => {
    const { service, inputs } = answering('ec2', 'ModifyInstanceMetadataOptions', {});
    const { endpoint } = await openPort([service]);
    const body = `Action=ModifyInstanceMetadataOptions&Version=2016-11-15${parameters}`;
    const answer = await post(endpoint, {}, body);
    expect(answer.status).toBe(400);
    expect(answer.text).toContain(`<Code>${code}</Code><Message>${sentence}`);
    expect(inputs).toEqual([]);
  });

  it('carries a refusal with its code and sentence', async () => {
    const sentence = "The instance ID 'i-1' does not exist";
    const refusal = refuse('InvalidInstanceID.NotFound', sentence);
    const { service } = answering('ec2', 'ModifyInstanceMetadataOptions', refusal);
    const { client } = await openPort([service]);
    const call = new EC2Client(client).send(new ModifyInstanceMetadataOptionsCommand({ InstanceId: 'i-1' }));
    await expect(call).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound', message: sentence });
  });
});

describe('Operations', () => {
  it('refuses one that the double does not play, and one that AWS does not have', async () => {
    const services = [answering('ssm', 'SendCommand', {}).service, answering('ec2', 'DescribeInstances', {}).service];
    const { client, endpoint } = await openPort(services);
    const input = { CommandId: 'c'.repeat(36), InstanceId: 'i-12345678' };
    await expect(new SSMClient(client).send(new GetCommandInvocationCommand(input))).rejects.toMatchObject({
      name: 'UnknownOperationException',
      message: "The local world's ssm serves no operation GetCommandInvocation, only SendCommand.",
    });
    const invented = await post(endpoint, {}, 'Action=constructor&Version=2016-11-15');
    expect(invented.text).toContain('<Code>InvalidAction</Code>');
  });

  it('reports a double whose output is not what the model says', async () => {
    const { service } = answering('opsworks', 'RegisterInstance', { InstanceID: 'id' });
    const { client } = await openPort([service]);
    const command = new RegisterInstanceCommand({ StackId: 's' });
    await expect(new OpsWorksClient({ ...client, maxAttempts: 1 }).send(command)).rejects.toMatchObject({
      name: 'InternalFailure',
      message:
        "The double failed: RegisterInstanceResult has no member InstanceID in the service's model, only InstanceId.",
    });
  });
});
