import type {
  CreateInstancesResult,
  GetInstanceMetricDataResult,
  GetInstanceResult,
  GetInstancesResult,
  GetOperationResult,
  UpdateInstanceMetadataOptionsResult,
} from '@aws-sdk/client-lightsail';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AwsEvent } from '../../../../world/eventbridge/aws-event.ts';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { seededRandom } from '../../../../world/kernel/random.ts';
import { Lightsail, type LightsailOptions } from '../../../../world/services/lightsail/lightsail.ts';
import { call } from '../../../support/call.ts';

const CREATE = {
  instanceNames: ['blog-1', 'blog-2'],
  availabilityZone: 'eu-west-1a',
  blueprintId: 'amazon_linux_2023',
  bundleId: 'nano_3_0',
};

function playground(options: Partial<LightsailOptions> = {}) {
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: new Date('2031-05-06T07:08:09Z') });
  const events: AwsEvent[] = [];
  const random = seededRandom(1);
  const lightsail = new Lightsail({ clock, random, emit: (event) => events.push(event), ...options });
  const ask = <Answer = unknown>(operation: string, input: object = {}) =>
    call<Answer>(lightsail.service, operation, input);
  return {
    lightsail,
    events,
    ask,
    seconds: (count: number) => clock.advance(count * 1000),
    create: (input: object = {}) => ask<CreateInstancesResult>('CreateInstances', { ...CREATE, ...input }),
    get: async (instanceName = 'blog-1') => (await ask<GetInstanceResult>('GetInstance', { instanceName })).instance,
    update: async (input: object) =>
      (
        await ask<UpdateInstanceMetadataOptionsResult>('UpdateInstanceMetadataOptions', {
          instanceName: 'blog-1',
          ...input,
        })
      ).operation,
    operation: async (operationId: string | undefined) =>
      (await ask<GetOperationResult>('GetOperation', { operationId })).operation,
  };
}

let world: ReturnType<typeof playground>;
beforeEach(() => {
  world = playground();
});

describe('CreateInstances', () => {
  it('makes every instance that it names: pending, then running, with IMDSv1 open', async () => {
    const { operations } = await world.create();
    expect(operations).toMatchObject([
      { resourceName: 'blog-1', operationType: 'CreateInstance', status: 'Started', isTerminal: false },
      { resourceName: 'blog-2', operationType: 'CreateInstance', status: 'Started', isTerminal: false },
    ]);
    expect((await world.get())?.state).toEqual({ code: 0, name: 'pending' });
    await world.seconds(20);
    expect(await world.get('blog-2')).toMatchObject({
      name: 'blog-2',
      state: { code: 16, name: 'running' },
      location: { availabilityZone: 'eu-west-1a', regionName: 'eu-west-1' },
      metadataOptions: {
        state: 'applied',
        httpTokens: 'optional',
        httpEndpoint: 'enabled',
        httpPutResponseHopLimit: 1,
        httpProtocolIpv6: 'disabled',
      },
    });
    expect(await world.operation(operations?.[0]?.id)).toMatchObject({ status: 'Succeeded', isTerminal: true });
  });

  it('leaves the CloudTrail event that EventBridge delivers', async () => {
    const { operations } = await world.create({ userData: 'echo secret' });
    expect(world.events).toEqual([]);
    await world.seconds(5);
    expect(world.events).toEqual([
      {
        version: '0',
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        'detail-type': 'AWS API Call via CloudTrail',
        source: 'aws.lightsail',
        account: '123456789012',
        time: '2031-05-06T07:08:09Z',
        region: 'eu-west-1',
        resources: [],
        detail: {
          eventVersion: '1.11',
          userIdentity: expect.objectContaining({ type: 'AssumedRole', accountId: '123456789012' }),
          eventTime: '2031-05-06T07:08:09Z',
          eventSource: 'lightsail.amazonaws.com',
          eventName: 'CreateInstances',
          awsRegion: 'eu-west-1',
          sourceIPAddress: '192.0.2.10',
          userAgent: expect.any(String),
          requestParameters: { ...CREATE, userData: 'HIDDEN_DUE_TO_SECURITY_REASONS' },
          responseElements: {
            operations: operations?.map((each) => ({
              ...each,
              createdAt: 'May 6, 2031 7:08:09 AM',
              statusChangedAt: 'May 6, 2031 7:08:09 AM',
            })),
          },
          requestID: '00000000-0000-4000-8000-000000000000',
          eventID: expect.any(String),
          readOnly: false,
          eventType: 'AwsApiCall',
          managementEvent: true,
          recipientAccountId: '123456789012',
          eventCategory: 'Management',
        },
      },
    ]);
  });

  it('refuses names in use, and leaves the event of a refused call', async () => {
    await world.create();
    await expect(world.create({ instanceNames: ['blog-2', 'new', 'blog-1'] })).rejects.toMatchObject({
      code: 'InvalidInputException',
      statusCode: 400,
      message: 'Some names are already in use: blog-2, blog-1',
    });
    await expect(world.get('new')).rejects.toMatchObject({ code: 'NotFoundException' });
    await world.seconds(5);
    expect(world.events[1]?.detail).toMatchObject({
      errorCode: 'InvalidInputException',
      errorMessage: 'Some names are already in use: blog-2, blog-1',
      responseElements: null,
    });
  });

  it('refuses the same name twice, a name that is none, and another Region', async () => {
    await expect(world.create({ instanceNames: ['web', 'web'] })).rejects.toThrow('Some names are already in use: web');
    await expect(world.create({ instanceNames: ['my web'] })).rejects.toThrow('my web is not a valid resource name.');
    await expect(world.create({ instanceNames: [] })).rejects.toMatchObject({ code: 'InvalidInputException' });
    await expect(world.create({ availabilityZone: 'eu-west-2a' })).rejects.toThrow('eu-west-2a');
  });

  it('attaches a machine to every instance, until its deletion', async () => {
    const seen: string[] = [];
    world = playground({
      onLaunch: ({ name }) => seen.push(`launched ${name}`),
      onTerminate: ({ name }) => seen.push(`deleted ${name}`),
    });
    await world.create();
    await world.ask('DeleteInstance', { instanceName: 'blog-1' });
    expect(seen).toEqual(['launched blog-1', 'launched blog-2', 'deleted blog-1']);
  });
});

it('restores instances from a snapshot, with the snapshot’s blueprint and an event of its own', async () => {
  world = playground({ snapshots: { nightly: 'debian_12' } });
  const { blueprintId: _, ...input } = CREATE;
  await world.ask('CreateInstancesFromSnapshot', { ...input, instanceSnapshotName: 'nightly' });
  expect(await world.get()).toMatchObject({ blueprintId: 'debian_12' });
  await world.seconds(5);
  expect(world.events[0]?.detail).toMatchObject({
    eventName: 'CreateInstancesFromSnapshot',
    requestParameters: { instanceNames: ['blog-1', 'blog-2'], instanceSnapshotName: 'nightly' },
  });
  await expect(world.ask('CreateInstancesFromSnapshot', input)).rejects.toMatchObject({
    code: 'InvalidInputException',
  });
});

it('records what somebody without permission tried, without parameters', async () => {
  world.lightsail.deniedCall('CreateInstances');
  await world.seconds(5);
  expect(world.events[0]?.detail).toMatchObject({
    eventName: 'CreateInstances',
    errorCode: 'AccessDenied',
    requestParameters: null,
    responseElements: null,
  });
});

describe('UpdateInstanceMetadataOptions', () => {
  beforeEach(async () => {
    await world.create();
    await world.seconds(20);
  });

  it('is pending first, then applied, and its operation succeeds', async () => {
    const operation = await world.update({ httpTokens: 'required', httpPutResponseHopLimit: 2 });
    expect(operation).toMatchObject({ status: 'Started', isTerminal: false, resourceName: 'blog-1' });
    const options = { httpTokens: 'required', httpPutResponseHopLimit: 2, httpEndpoint: 'enabled' };
    expect((await world.get())?.metadataOptions).toMatchObject({ ...options, state: 'pending' });
    await world.seconds(4);
    expect((await world.get())?.metadataOptions).toMatchObject({ ...options, state: 'applied' });
    expect(await world.operation(operation?.id)).toMatchObject({ status: 'Succeeded', isTerminal: true });
  });

  it('reopens IMDSv1 when httpTokens is left out, and keeps everything else', async () => {
    await world.update({ httpTokens: 'required', httpPutResponseHopLimit: 2, httpEndpoint: 'disabled' });
    await world.update({ httpEndpoint: 'enabled' });
    expect((await world.get())?.metadataOptions).toMatchObject({
      httpTokens: 'optional',
      httpPutResponseHopLimit: 2,
      httpEndpoint: 'enabled',
    });
  });

  it('ends every operation when one change follows another', async () => {
    const first = await world.update({ httpTokens: 'required' });
    await world.seconds(2);
    const second = await world.update({ httpTokens: 'required', httpPutResponseHopLimit: 3 });
    await world.seconds(3);
    expect(await world.operation(first?.id)).toMatchObject({ isTerminal: true });
    expect((await world.get())?.metadataOptions?.state).toBe('pending');
    await world.seconds(1);
    expect(await world.operation(second?.id)).toMatchObject({ isTerminal: true });
    expect((await world.get())?.metadataOptions).toMatchObject({ state: 'applied', httpPutResponseHopLimit: 3 });
  });

  it('refuses httpProtocolIpv6 outside of Stockholm, an unknown instance, and one that is not running', async () => {
    await expect(world.update({ httpTokens: 'required', httpProtocolIpv6: 'enabled' })).rejects.toMatchObject({
      code: 'InvalidInputException',
    });
    await expect(world.update({ instanceName: 'nobody' })).rejects.toMatchObject({
      code: 'NotFoundException',
      statusCode: 404,
      message: 'The Instance does not exist: nobody',
    });
    await world.create({ instanceNames: ['young'] });
    await expect(world.update({ instanceName: 'young', httpTokens: 'required' })).rejects.toMatchObject({
      code: 'OperationFailureException',
    });
    expect((await world.get())?.metadataOptions).toMatchObject({ state: 'applied', httpTokens: 'optional' });
  });

  it('fails for a blueprint that cannot do IMDSv2: at once, or in its operation', async () => {
    world = playground({ blueprintsWithoutImdsV2: { old: 'refuses', older: 'fails' } });
    await world.create({ instanceNames: ['blog-1'], blueprintId: 'old' });
    await world.create({ instanceNames: ['blog-2'], blueprintId: 'older' });
    await world.seconds(20);
    await expect(world.update({ httpTokens: 'required' })).rejects.toMatchObject({ code: 'InvalidInputException' });
    await world.update({ httpTokens: 'optional' });
    const operation = await world.update({ instanceName: 'blog-2', httpTokens: 'required' });
    await world.seconds(4);
    expect(await world.operation(operation?.id)).toMatchObject({
      status: 'Failed',
      isTerminal: true,
      errorDetails: 'The blueprint older does not support IMDSv2.',
    });
    expect((await world.get('blog-2'))?.metadataOptions).toMatchObject({ state: 'applied', httpTokens: 'optional' });
  });
});

describe('DeleteInstance', () => {
  it('shuts the instance down, frees its name and leaves its event', async () => {
    await world.create();
    await world.seconds(20);
    await world.ask('DeleteInstance', { instanceName: 'blog-1' });
    expect((await world.get())?.state?.name).toBe('shutting-down');
    await world.seconds(10);
    await expect(world.get()).rejects.toThrow('The Instance does not exist: blog-1');
    expect(world.events.at(-1)?.detail).toMatchObject({
      eventName: 'DeleteInstance',
      requestParameters: { instanceName: 'blog-1' },
    });
    await world.create({ instanceNames: ['blog-1'] });
    expect((await world.get())?.state?.name).toBe('pending');
  });

  it('of an instance that is still pending wins over its start', async () => {
    await world.create();
    await world.seconds(15);
    await world.ask('DeleteInstance', { instanceName: 'blog-1' });
    await world.seconds(6);
    expect((await world.get())?.state?.name).toBe('shutting-down');
  });
});

it('lists instances in pages', async () => {
  world = playground({ pageSize: 2 });
  await world.create({ instanceNames: ['a1', 'a2', 'a3'] });
  const first = await world.ask<GetInstancesResult>('GetInstances');
  const second = await world.ask<GetInstancesResult>('GetInstances', { pageToken: first.nextPageToken });
  const names = [...(first.instances ?? []), ...(second.instances ?? [])].map(({ name }) => name);
  expect(names).toEqual(['a1', 'a2', 'a3']);
  expect(second.nextPageToken).toBeUndefined();
  await expect(world.ask('GetInstances', { pageToken: 'x' })).rejects.toMatchObject({ code: 'InvalidInputException' });
});

it('counts IMDSv1 calls in the metric MetadataNoToken, and a running instance without any has zeros', async () => {
  await world.create();
  const { startTime, endTime } = {
    startTime: new Date('2031-05-06T00:00:00Z'),
    endTime: new Date('2031-05-08T00:00:00Z'),
  };
  const metric = async (metricName: string, unit = 'Count') => {
    const asked = { metricName, unit, startTime, endTime, period: 86_400, statistics: ['Sum'] };
    const input = { instanceName: 'blog-1', ...asked };
    return (await world.ask<GetInstanceMetricDataResult>('GetInstanceMetricData', input)).metricData;
  };
  expect(await metric('MetadataNoToken')).toEqual([]);
  await world.seconds(24 * 3600);
  world.lightsail.countMetadataNoToken('blog-1', 7);
  expect(await metric('MetadataNoToken')).toEqual([
    { sum: 0, unit: 'Count', timestamp: new Date('2031-05-06T00:00:00Z') },
    { sum: 7, unit: 'Count', timestamp: new Date('2031-05-07T00:00:00Z') },
  ]);
  expect(await metric('MetadataNoToken', 'Percent')).toEqual([]);
  expect(await metric('CPUUtilization')).toEqual([]);
});

it('keeps the Regions apart', async () => {
  const region = 'eu-north-1';
  const context = { requestId: '00000000-0000-4000-8000-000000000000', region };
  await world.lightsail.createInstances({ ...CREATE, availabilityZone: `${region}a` }, context);
  expect((await world.ask<GetInstancesResult>('GetInstances')).instances).toEqual([]);
  await expect(world.get()).rejects.toMatchObject({ code: 'NotFoundException' });
  expect(world.lightsail.service.operations.GetInstances?.({} as never, context)).toMatchObject({
    instances: [{ name: 'blog-1', location: { regionName: region } }, { name: 'blog-2' }],
  });
  expect(world.events).toEqual([]);
});

describe('a deletion', () => {
  const list = async ({ ask }: typeof world) => {
    const { instances = [] } = await ask<GetInstancesResult>('GetInstances');
    return instances.map(({ name }) => name);
  };

  it('can leave the instance on show for a while', async () => {
    world = playground({ shownAfterDeletionSeconds: 60 });
    await world.create();
    await world.seconds(20);
    await world.ask('DeleteInstance', { instanceName: 'blog-1' });
    await world.seconds(11);
    expect(await world.get()).toMatchObject({ state: { name: 'shutting-down' } });
    expect(await list(world)).toEqual(['blog-1', 'blog-2']);
    await expect(world.update({ httpTokens: 'required' })).rejects.toMatchObject({ code: 'NotFoundException' });
    await world.seconds(60);
    await expect(world.get()).rejects.toMatchObject({ code: 'NotFoundException' });
    expect(await list(world)).toEqual(['blog-2']);
  });

  it.each([0, 60])('frees the name for another instance, shown %s seconds', async (shownAfterDeletionSeconds) => {
    world = playground({ shownAfterDeletionSeconds });
    await world.create();
    await world.seconds(20);
    const before = await world.get();
    await world.ask('DeleteInstance', { instanceName: 'blog-1' });
    await expect(world.create({ instanceNames: ['blog-1'] })).rejects.toMatchObject({ code: 'InvalidInputException' });
    await world.seconds(11);
    await world.create({ instanceNames: ['blog-1'] });
    await world.seconds(20);
    const after = await world.get();
    expect(after?.state?.name).toBe('running');
    expect(after?.arn).not.toBe(before?.arn);
    expect(after?.createdAt?.getTime()).toBeGreaterThan(before?.createdAt?.getTime() ?? Number.POSITIVE_INFINITY);
    await world.seconds(120);
    expect(await world.get()).toMatchObject({ arn: after?.arn });
    expect(await list(world)).toEqual(['blog-2', 'blog-1']);
  });
});

it("can end one change of metadata options as Failed for a reason of Lightsail's own, and takes the next", async () => {
  await world.create();
  await world.seconds(20);
  world.lightsail.failNextUpdate('blog-1');
  const failed = await world.update({ httpTokens: 'required' });
  await world.seconds(5);
  expect(await world.operation(failed?.id)).toMatchObject({
    status: 'Failed',
    isTerminal: true,
    errorCode: 'InternalError',
  });
  expect(await world.get()).toMatchObject({ metadataOptions: { state: 'applied', httpTokens: 'optional' } });
  const next = await world.update({ httpTokens: 'required' });
  await world.seconds(5);
  expect(await world.operation(next?.id)).toMatchObject({ status: 'Succeeded' });
  expect(await world.get()).toMatchObject({ metadataOptions: { httpTokens: 'required' } });
});
