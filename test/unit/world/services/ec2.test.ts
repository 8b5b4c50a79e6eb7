import type {
  DescribeInstancesRequest,
  DescribeInstancesResult,
  Filter,
  Instance,
  ModifyInstanceMetadataOptionsResult,
  Reservation,
  TerminateInstancesResult,
} from '@aws-sdk/client-ec2';
import { beforeEach, describe, expect, it } from 'vitest';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { seededRandom } from '../../../../world/kernel/random.ts';
import { Ec2, type Ec2Options } from '../../../../world/services/ec2/ec2.ts';
import { call } from '../../../support/call.ts';

const START = new Date('2031-05-06T07:08:09.500Z');
let clock: WorldClock;

beforeEach(() => {
  clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: START });
});

function ec2(options: Partial<Ec2Options> = {}): Ec2 {
  return new Ec2({ clock, random: seededRandom(1), ...options });
}

const describeInstances = (double: Ec2, input: DescribeInstancesRequest = {}) =>
  call<DescribeInstancesResult>(double.service, 'DescribeInstances', input);

const instancesOf = ({ Reservations = [] }: DescribeInstancesResult): Instance[] =>
  Reservations.flatMap(({ Instances = [] }) => Instances);

const idsOf = (result: DescribeInstancesResult) => instancesOf(result).map(({ InstanceId }) => InstanceId);

async function describeOne(double: Ec2, instanceId: string): Promise<Instance | undefined> {
  return instancesOf(await describeInstances(double, { InstanceIds: [instanceId] }))[0];
}

const seconds = (count: number) => clock.advance(count * 1000);

describe('an instance', () => {
  it('is pending at its launch, then running, with what DescribeInstances shows of one', async () => {
    const double = ec2();
    const { instanceId } = double.launch({ tags: new Map([['role', 'web']]), instanceType: 't4g.small' });
    const pending = await describeOne(double, instanceId);
    expect(pending).toMatchObject({
      InstanceId: expect.stringMatching(/^i-[0-9a-f]{17}$/),
      State: { Code: 0, Name: 'pending' },
      Architecture: 'arm64',
      LaunchTime: new Date('2031-05-06T07:08:09Z'),
      PrivateIpAddress: '10.0.0.4',
      PrivateDnsName: 'ip-10-0-0-4.eu-west-1.compute.internal',
      Placement: { AvailabilityZone: expect.stringMatching(/^eu-west-1[abc]$/) },
      Tags: [{ Key: 'role', Value: 'web' }],
      MetadataOptions: { State: 'pending', HttpTokens: 'optional', HttpPutResponseHopLimit: 1 },
    });
    await seconds(8);
    expect(await describeOne(double, instanceId)).toMatchObject({
      State: { Code: 16, Name: 'running' },
      MetadataOptions: { State: 'applied' },
    });
  });

  it('shuts down, loses its network, is remembered for an hour and then unknown', async () => {
    const double = ec2();
    const { instanceId } = double.launch({});
    await seconds(10);
    const answer = await call<TerminateInstancesResult>(double.service, 'TerminateInstances', {
      InstanceIds: [instanceId],
    });
    expect(answer.TerminatingInstances).toEqual([
      {
        InstanceId: instanceId,
        PreviousState: { Code: 16, Name: 'running' },
        CurrentState: { Code: 32, Name: 'shutting-down' },
      },
    ]);
    await seconds(60);
    const terminated = await describeOne(double, instanceId);
    expect(terminated?.State).toEqual({ Code: 48, Name: 'terminated' });
    expect(terminated).not.toHaveProperty('PrivateIpAddress');
    await seconds(3600);
    await expect(describeOne(double, instanceId)).rejects.toMatchObject({
      code: 'InvalidInstanceID.NotFound',
      message: `The instance ID '${instanceId}' does not exist`,
    });
  });

  it('that is terminated while pending never runs', async () => {
    const states: string[] = [];
    const double = ec2({ onStateChange: ({ state }) => states.push(state) });
    const { instanceId } = double.launch({});
    await seconds(1);
    double.terminate(instanceId);
    double.terminate(instanceId);
    await clock.run();
    expect(states).toEqual(['shutting-down', 'terminated']);
  });

  it('has a machine from its launch to its termination', async () => {
    const seen: string[] = [];
    const double = ec2({
      onLaunch: ({ instanceId }) => seen.push(`launched ${instanceId}`),
      onTerminate: ({ instanceId }) => seen.push(`terminated ${instanceId}`),
    });
    const { instanceId } = double.launch({});
    double.terminate(instanceId);
    expect(seen).toEqual([`launched ${instanceId}`, `terminated ${instanceId}`]);
  });

  it('can be hidden for a while after its launch, as eventual consistency does', async () => {
    const double = ec2({ visibleAfterSeconds: 5 });
    const { instanceId } = double.launch({});
    await expect(describeOne(double, instanceId)).rejects.toMatchObject({ code: 'InvalidInstanceID.NotFound' });
    expect(await describeInstances(double)).toEqual({ Reservations: [] });
    await seconds(6);
    expect(await describeOne(double, instanceId)).toMatchObject({ InstanceId: instanceId });
  });
});

describe('DescribeInstances', () => {
  it('names the ids that are unknown, and refuses what is no id', async () => {
    const double = ec2();
    const { instanceId } = double.launch({});
    const InstanceIds = [instanceId, 'i-00000000000000001', 'i-00000000000000002'];
    await expect(describeInstances(double, { InstanceIds })).rejects.toMatchObject({
      statusCode: 400,
      message: "The instance IDs 'i-00000000000000001, i-00000000000000002' do not exist",
    });
    await expect(describeOne(double, 'i-xyz')).rejects.toMatchObject({
      code: 'InvalidInstanceID.Malformed',
      message: 'Invalid id: "i-xyz"',
    });
    await expect(describeOne(double, 'web-1')).rejects.toMatchObject({
      message: 'Invalid id: "web-1" (expecting "i-...")',
    });
  });

  it('filters by state, tag, tag key and id, with wildcards, and refuses a filter that it does not know', async () => {
    const double = ec2();
    const web = double.launch({ tags: new Map([['role', 'web']]) }).instanceId;
    const db = double.launch({ tags: new Map([['role', 'db']]) }).instanceId;
    const other = double.launch({}).instanceId;
    double.terminate(other);
    const ids = async (...Filters: Filter[]) => idsOf(await describeInstances(double, { Filters }));
    expect(await ids({ Name: 'tag:role', Values: ['w*', 'd?'] })).toEqual([web, db]);
    expect(await ids({ Name: 'tag:role', Values: ['w'] })).toEqual([]);
    expect(await ids({ Name: 'tag-key', Values: ['role'] }, { Name: 'instance-id', Values: [db] })).toEqual([db]);
    expect(await ids({ Name: 'instance-state-name', Values: ['shutting-down'] })).toEqual([other]);
    await expect(ids({ Name: 'colour', Values: ['red'] })).rejects.toMatchObject({
      code: 'InvalidParameterValue',
      message: "The filter 'colour' is invalid",
    });
  });

  it('gives every instance exactly once in pages, also when some vanish between two pages', async () => {
    const double = ec2({ shuttingDownSeconds: 1 });
    const ids = Array.from({ length: 12 }, () => double.launch({}).instanceId);
    const first = await describeInstances(double, { MaxResults: 5 });
    for (const id of ids.slice(0, 3)) double.terminate(id);
    await seconds(3700);
    const second = await describeInstances(double, { MaxResults: 5, NextToken: first.NextToken });
    const third = await describeInstances(double, { MaxResults: 5, NextToken: second.NextToken });
    expect([first, second, third].flatMap(idsOf)).toEqual(ids);
    expect(third).not.toHaveProperty('NextToken');
  });

  it('gives at most a page of its own size to who asks for no page', async () => {
    const double = ec2({ pageSize: 7 });
    const ids = Array.from({ length: 8 }, () => double.launch({}).instanceId);
    const first = await describeInstances(double);
    expect(idsOf(first)).toEqual(ids.slice(0, 7));
    expect(idsOf(await describeInstances(double, { NextToken: first.NextToken }))).toEqual(ids.slice(7));
    expect(idsOf(await describeInstances(double, { InstanceIds: ids }))).toHaveLength(8);
  });

  it('refuses a page of fewer than five', async () => {
    await expect(describeInstances(ec2(), { MaxResults: 4 })).rejects.toMatchObject({ code: 'InvalidParameterValue' });
  });

  it('finds the running members of groups by a wildcard in the tag that Auto Scaling sets', async () => {
    const double = ec2();
    const [web, api] = ['web-1', 'api'].map((group) =>
      double.launch({ tags: new Map([['aws:autoscaling:groupName', group]]) }),
    );
    double.launch({});
    await seconds(10);
    const Filters = [
      { Name: 'tag:aws:autoscaling:groupName', Values: ['web*', 'db?'] },
      { Name: 'instance-state-name', Values: ['running'] },
    ];
    expect(idsOf(await describeInstances(double, { Filters }))).toEqual([web?.instanceId]);
    expect(
      idsOf(await describeInstances(double, { Filters: [{ Name: 'tag:aws:autoscaling:groupName', Values: ['?pi'] }] })),
    ).toEqual([api?.instanceId]);
  });

  it('are of one Region', async () => {
    const double = ec2();
    const { instanceId, availabilityZone } = double.launch({ region: 'eu-north-1' });
    expect(availabilityZone).toMatch(/^eu-north-1[abc]$/);
    expect(idsOf(await describeInstances(double))).toEqual([]);
    const there = { requestId: '', region: 'eu-north-1' };
    const seen = double.service.operations.DescribeInstances?.({} as never, there) as DescribeInstancesResult;
    expect(idsOf(seen)).toEqual([instanceId]);
  });

  it('refuses a page size beside ids, and a token that it never gave', async () => {
    const double = ec2();
    const { instanceId } = double.launch({});
    const both = { InstanceIds: [instanceId], MaxResults: 5 };
    await expect(describeInstances(double, both)).rejects.toMatchObject({
      code: 'InvalidParameterCombination',
    });
    await expect(describeInstances(double, { NextToken: 'abc' })).rejects.toMatchObject({
      code: 'InvalidNextToken',
    });
  });
});

describe('ModifyInstanceMetadataOptions', () => {
  it('changes only the fields that it is given, pending first, then applied', async () => {
    const double = ec2();
    const { instanceId: InstanceId } = double.launch({ metadataOptions: { HttpPutResponseHopLimit: 3 } });
    await seconds(10);
    const answer = await call<ModifyInstanceMetadataOptionsResult>(double.service, 'ModifyInstanceMetadataOptions', {
      InstanceId,
      HttpTokens: 'required',
    });
    expect(answer.InstanceMetadataOptions).toEqual({
      State: 'pending',
      HttpTokens: 'required',
      HttpPutResponseHopLimit: 3,
      HttpEndpoint: 'enabled',
      HttpProtocolIpv6: 'disabled',
      InstanceMetadataTags: 'disabled',
    });
    await seconds(1);
    expect((await describeOne(double, InstanceId))?.MetadataOptions?.State).toBe('pending');
    await seconds(1);
    expect((await describeOne(double, InstanceId))?.MetadataOptions?.State).toBe('applied');
  });

  it('refuses an instance that is neither running nor stopped, a hop limit out of range, and options of a closed endpoint', async () => {
    const double = ec2();
    const { instanceId: InstanceId } = double.launch({});
    const modify = (input: object) => call(double.service, 'ModifyInstanceMetadataOptions', { InstanceId, ...input });
    await expect(modify({ HttpTokens: 'required' })).rejects.toMatchObject({ code: 'IncorrectInstanceState' });
    await seconds(10);
    await expect(modify({ HttpPutResponseHopLimit: 65 })).rejects.toMatchObject({ code: 'InvalidParameterValue' });
    await expect(modify({ HttpEndpoint: 'disabled', HttpTokens: 'required' })).rejects.toMatchObject({
      code: 'InvalidParameterCombination',
    });
    await modify({ HttpEndpoint: 'disabled' });
    expect((await describeOne(double, InstanceId))?.MetadataOptions).toMatchObject({
      HttpEndpoint: 'disabled',
      HttpTokens: 'optional',
    });
    double.terminate(InstanceId);
    await expect(modify({ HttpTokens: 'required' })).rejects.toMatchObject({ code: 'IncorrectInstanceState' });
  });
});

describe('RunInstances', () => {
  it('launches as many as asked for in one reservation, with their tags', async () => {
    const double = ec2();
    const reservation = await call<Reservation>(double.service, 'RunInstances', {
      ImageId: 'ami-1',
      MinCount: 2,
      MaxCount: 2,
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'role', Value: 'web' }] }],
    });
    expect(reservation.Instances).toHaveLength(2);
    expect(reservation.Instances?.[1]).toMatchObject({ ImageId: 'ami-1', Tags: [{ Key: 'role', Value: 'web' }] });
    expect((await describeInstances(double)).Reservations).toEqual([reservation]);
  });

  it('refuses a launch without an image, or into a subnet that does not exist', async () => {
    const double = ec2();
    const count = { MinCount: 1, MaxCount: 1 };
    await expect(call(double.service, 'RunInstances', count)).rejects.toMatchObject({ code: 'MissingParameter' });
    const elsewhere = { ...count, ImageId: 'ami-1', SubnetId: 'subnet-1' };
    await expect(call(double.service, 'RunInstances', elsewhere)).rejects.toMatchObject({
      code: 'InvalidSubnetID.NotFound',
    });
  });
});

it('finds one of 10,000 instances without looking at the others', async () => {
  const double = ec2();
  const ids = Array.from({ length: 10_000 }, () => double.launch({}).instanceId);
  const begin = performance.now();
  for (const id of ids.slice(0, 2000)) await describeOne(double, id);
  expect(performance.now() - begin).toBeLessThan(2000);
  expect(new Set(double.snapshot().instances.map((each) => each.PrivateIpAddress)).size).toBe(10_000);
});

describe('eventual consistency', () => {
  it('can hide an instance again after it was found', async () => {
    const double = ec2();
    const { instanceId } = double.launch({});
    await seconds(60);
    expect(await describeOne(double, instanceId)).toBeDefined();
    double.hide(instanceId, 30);
    await expect(describeOne(double, instanceId)).rejects.toMatchObject({ code: 'InvalidInstanceID.NotFound' });
    expect(idsOf(await describeInstances(double))).toEqual([]);
    await seconds(30);
    expect(await describeOne(double, instanceId)).toMatchObject({ State: { Name: 'running' } });
  });

  it('can show the tags of a launch late, to filters as well', async () => {
    const double = ec2({ tagsAfterSeconds: 20 });
    const tags = new Map([['aws:autoscaling:groupName', 'web']]);
    const { instanceId } = double.launch({ tags });
    const Filters = [{ Name: 'tag:aws:autoscaling:groupName', Values: ['web'] }];
    await seconds(19);
    expect(await describeOne(double, instanceId)).toMatchObject({ Tags: [] });
    expect(idsOf(await describeInstances(double, { Filters }))).toEqual([]);
    await seconds(1);
    expect(await describeOne(double, instanceId)).toMatchObject({
      Tags: [{ Key: 'aws:autoscaling:groupName', Value: 'web' }],
    });
    expect(idsOf(await describeInstances(double, { Filters }))).toEqual([instanceId]);
  });

  it('denies a change whose policy has a condition on a tag that is not there yet', async () => {
    const tagCondition = 'aws:autoscaling:groupName';
    const double = ec2({ tagsAfterSeconds: 20, tagCondition });
    const { instanceId } = double.launch({ tags: new Map([[tagCondition, 'web']]) });
    const modify = () =>
      call(double.service, 'ModifyInstanceMetadataOptions', { InstanceId: instanceId, HttpTokens: 'required' });
    await seconds(10);
    await expect(modify()).rejects.toMatchObject({
      code: 'UnauthorizedOperation',
      statusCode: 403,
      message: expect.stringContaining('because no identity-based policy allows'),
    });
    await seconds(10);
    expect(await modify()).toMatchObject({ InstanceMetadataOptions: { HttpTokens: 'required' } });
    const { instanceId: untagged } = double.launch({});
    await seconds(60);
    const other = call(double.service, 'ModifyInstanceMetadataOptions', { InstanceId: untagged });
    await expect(other).rejects.toMatchObject({ code: 'UnauthorizedOperation' });
  });
});
