import { AutoScalingClient, DescribeLifecycleHooksCommand } from '@aws-sdk/client-auto-scaling';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { DescribeInstancesCommand, EC2Client } from '@aws-sdk/client-ec2';
import { AssociateNodeCommand, DescribeServersCommand, OpsWorksCMClient } from '@aws-sdk/client-opsworkscm';
import { describe, expect, it } from 'vitest';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { Hold } from '../../../../world/kernel/hold.ts';
import { INVOCATION_HEADER } from '../../../../world/wire/apis.ts';
import { Faults, refusalOf } from '../../../../world/wire/faults.ts';
import { openPort, post } from '../../../support/open-port.ts';

describe('A list of faults', () => {
  it('stays in force when the next one is refused, and shows what is left of it', () => {
    const faults = new Faults();
    faults.set([{ service: 'ec2', error: 'X', times: 2 }]);
    faults.take('ec2', 'DescribeInstances', {});
    expect(() => faults.set([{ service: 'ec2', operation: 'StopInstances', error: 'X' }])).toThrow('StopInstances');
    expect(faults.list()).toEqual([{ service: 'ec2', error: 'X', times: 1 }]);
    faults.take('ec2', 'DescribeInstances', {});
    expect(faults.take('ec2', 'DescribeInstances', {})).toBeUndefined();
    expect(faults.list()).toEqual([]);
  });

  it('meets only the calls that it describes', () => {
    const faults = new Faults();
    faults.set([{ service: 'ssm', operation: 'SendCommand', error: 'X', match: { InstanceIds: 'i-1', Comment: 'c' } }]);
    expect(faults.take('ssm', 'SendCommand', { InstanceIds: ['i-2'], Comment: 'c' })).toBeUndefined();
    expect(faults.take('ssm', 'SendCommand', { InstanceIds: ['i-1'] })).toBeUndefined();
    expect(faults.take('ssm', 'GetCommandInvocation', { InstanceIds: ['i-1'], Comment: 'c' })).toBeUndefined();
    expect(faults.take('ssm', 'SendCommand', { InstanceIds: ['i-2', 'i-1'], Comment: 'c' })).toMatchObject({
      error: 'X',
    });
  });
});

describe('A fault of a single page', () => {
  it('meets the first page, whose request bears no token, and no other', () => {
    const faults = new Faults();
    faults.set([{ service: 'lightsail', operation: 'GetInstances', error: 'X', match: { pageToken: null } }]);
    expect(faults.take('lightsail', 'GetInstances', { pageToken: 'second' })).toBeUndefined();
    expect(faults.take('lightsail', 'GetInstances', {})).toMatchObject({ error: 'X' });
  });

  it('lets so many pages pass as it says, and meets as many as it says after them', () => {
    const faults = new Faults();
    faults.set([{ service: 'ec2', operation: 'DescribeInstances', error: 'X', skip: 2, times: 1 }]);
    const pages = [1, 2, 3, 4].map(() => faults.take('ec2', 'DescribeInstances', {})?.error);
    expect(pages).toEqual([undefined, undefined, 'X', undefined]);
  });

  it('counts only the calls that it could meet', () => {
    const faults = new Faults();
    faults.set([{ service: 'ec2', operation: 'DescribeInstances', error: 'X', skip: 1 }]);
    faults.take('ec2', 'RunInstances', {});
    expect(faults.take('ec2', 'DescribeInstances', {})).toBeUndefined();
    expect(faults.take('ec2', 'DescribeInstances', {})).toMatchObject({ error: 'X' });
  });
});

describe('A fault', () => {
  /** A configuration server that counts its associations, and a client that does not try again. */
  async function open(options: Parameters<typeof openPort>[1] = {}) {
    const associated: unknown[] = [];
    const AssociateNode = (input: unknown) => {
      associated.push(input);
      return { NodeAssociationStatusToken: 'token' };
    };
    const opened = await openPort(
      [
        { name: 'opsworks-cm', operations: { AssociateNode, DescribeServers: () => ({ Servers: [] }) } },
        { name: 'ec2', operations: { DescribeInstances: () => ({ Reservations: [] }) } },
        { name: 'autoscaling', operations: { DescribeLifecycleHooks: () => ({ LifecycleHooks: [] }) } },
      ],
      options,
    );
    const client = { ...opened.client, maxAttempts: 1 };
    const input = { ServerName: 'chef', NodeName: 'i-1', EngineAttributes: [] };
    const associate = () => new OpsWorksCMClient(client).send(new AssociateNodeCommand(input));
    return { ...opened, client, associated, associate };
  }

  it('refuses as often as it says, and the operation is not done', async () => {
    const { faults, associate, associated, client } = await open();
    faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', error: 'InvalidStateException', times: 2 }]);
    await new OpsWorksCMClient(client).send(new DescribeServersCommand({}));
    await expect(associate()).rejects.toMatchObject({ name: 'InvalidStateException' });
    await expect(associate()).rejects.toMatchObject({ name: 'InvalidStateException' });
    expect(associated).toEqual([]);
    await expect(associate()).resolves.toMatchObject({ NodeAssociationStatusToken: 'token' });
  });

  it('throttles in the words of each service', async () => {
    const { faults, associate, client } = await open();
    const services = ['opsworks-cm', 'ec2', 'autoscaling', 'dynamodb'];
    faults.set(services.map((service) => ({ service, error: 'ThrottlingException' })));
    const named = (name: string, httpStatusCode: number) => ({ name, $metadata: { httpStatusCode } });
    await expect(associate()).rejects.toMatchObject(named('ThrottlingException', 400));
    const instances = new EC2Client(client).send(new DescribeInstancesCommand({}));
    await expect(instances).rejects.toMatchObject(named('RequestLimitExceeded', 503));
    const hooks = new AutoScalingClient(client).send(
      new DescribeLifecycleHooksCommand({ AutoScalingGroupName: 'web' }),
    );
    await expect(hooks).rejects.toMatchObject(named('Throttling', 400));
    const tables = new DynamoDBClient(client).send(new ListTablesCommand({}));
    await expect(tables).rejects.toMatchObject(named('ThrottlingException', 400));
  });

  it('answers the HTTP status and the sentence that it was given', async () => {
    const { faults, associate } = await open();
    faults.set([{ service: 'opsworks-cm', statusCode: 502, message: 'Bad gateway.' }]);
    const refusal = { name: 'InternalFailure', message: 'Bad gateway.', $metadata: { httpStatusCode: 502 } };
    await expect(associate()).rejects.toMatchObject(refusal);
  });

  it('loses the answer of an operation that was done', async () => {
    const { faults, associate, associated } = await open();
    faults.set([{ service: 'opsworks-cm', statusCode: 500, after: true, times: 1 }]);
    await expect(associate()).rejects.toMatchObject({ name: 'InternalFailure' });
    expect(associated).toHaveLength(1);
  });

  it('drops the connection, and the call is reported all the same', async () => {
    const { faults, associate, associated, heard } = await open();
    faults.set([{ service: 'opsworks-cm', drop: true, times: 1 }]);
    await expect(associate()).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(associated).toEqual([]);
    expect(heard).toMatchObject([{ error: { code: 'ConnectionDropped' } }]);
  });

  it('delays in world time, although the caller holds the clock', async () => {
    const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: new Date(0) });
    const caller = new Hold(clock);
    const holdOf = (id: string) => (id === 'invocation-1' ? caller : undefined);
    const { faults, endpoint, heard } = await open({ clock, holdOf });
    faults.set([{ service: 'opsworks-cm', delaySeconds: 90 }]);
    const headers = { 'x-amz-target': 'OpsWorksCM_V2016_11_01.DescribeServers', [INVOCATION_HEADER]: 'invocation-1' };
    const answer = await clock.run(post(endpoint, headers, '{}'));
    expect(answer?.status).toBe(200);
    expect(heard).toMatchObject([{ instant: 90_000, invocationId: 'invocation-1' }]);

    // The caller has its hold back: no time passes before it lets go.
    const minute = clock.advance(60_000);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(clock.now()).toBe(90_000);
    caller.end();
    await minute;
    expect(clock.now()).toBe(150_000);
  });
});

describe('A denial by an organization', () => {
  it.each([
    ['ec2', 'DescribeInstances', 'UnauthorizedOperation'],
    ['autoscaling', 'CompleteLifecycleAction', 'AccessDenied'],
    ['lightsail', 'GetInstance', 'AccessDeniedException'],
  ] as const)("is %s's own error, with IAM's sentence", (service, operation, code) => {
    const faults = new Faults();
    faults.set([{ service, operation, deniedBy: 'service control policy' }]);
    const fault = faults.take(service, operation, {});
    const refusal = fault && refusalOf(fault, operation, { code: 'Throttling', statusCode: 400 });
    expect(refusal).toMatchObject({
      code,
      message: expect.stringContaining(
        `to perform: ${service}:${operation} with an explicit deny in a service control policy`,
      ),
    });
  });

  it('has an error of its own', () => {
    const fault = { service: 'ec2', deniedBy: 'service control policy', error: 'AccessDenied' };
    expect(() => new Faults().set([fault])).toThrow('A denied call has its own error');
  });
});
