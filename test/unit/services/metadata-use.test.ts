import { describe, expect, it } from 'vitest';
import { type Instance, ledgerKey } from '../../../lib/instance.ts';
import { imdsV1Calls } from '../../../services/metadata-use.ts';
import { type Played, playWorld } from '../../support/world.ts';

const { signal } = new AbortController();
const DAY = 24 * 3600 * 1000;
const CREATE = { availabilityZone: 'eu-west-1a', blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };

type InstanceRef = Pick<Instance, 'platform' | 'instanceId' | 'region'>;
const onEc2 = (instanceId: string, region = 'eu-west-1'): InstanceRef => ({ platform: 'ec2', instanceId, region });
const onLightsail = (instanceId: string): InstanceRef => ({ platform: 'lightsail', instanceId, region: 'eu-west-1' });

/** A world in which this many instances have run for so many days. */
async function haveRun(days: number, count = 1, options: Parameters<typeof playWorld>[0] = {}) {
  const world = await playWorld(options);
  const ids = Array.from({ length: count }, () => world.ec2.launch({}).instanceId);
  await world.lightsail.createInstances({ ...CREATE, instanceNames: ['blog'] }, { requestId: '1' });
  await world.clock.advance(days * DAY);
  world.calls.length = 0;
  return { world, ids, id: ids[0] ?? '' };
}

const look = ({ clock }: Played, instances: readonly InstanceRef[], lookBackDays = 14) =>
  imdsV1Calls(instances, { at: new Date(clock.now()).toISOString(), lookBackDays }, signal);

const count = (world: Played, { platform, instanceId }: InstanceRef, calls: number, daysAgo: number) =>
  world[platform].countMetadataNoToken(instanceId, calls, world.clock.now() - daysAgo * DAY);

describe.each([
  ['an EC2 instance', (id: string) => onEc2(id)],
  ['a Lightsail instance', () => onLightsail('blog')],
])('the IMDSv1 calls of %s', (_, which) => {
  const only = (one: InstanceRef, calls: number | null) => new Map([[ledgerKey(one), calls]]);

  it('are those of all days within the look-back, and of none before', async () => {
    const { world, id } = await haveRun(30);
    const one = which(id);
    count(world, one, 1000, 16);
    expect(await look(world, [one])).toEqual(only(one, 0));
    count(world, one, 2, 13.9);
    count(world, one, 3, 0);
    expect(await look(world, [one])).toEqual(only(one, 5));
    expect(await look(world, [one], 20)).toEqual(only(one, 1005));
  });

  it('are seen up to the very beginning of the look-back', async () => {
    const { world, id } = await haveRun(30);
    const one = which(id);
    count(world, one, 1, 14);
    expect(await look(world, [one])).toEqual(only(one, 1));
  });

  it('are not known of one that has not run for five minutes', async () => {
    const { world, id } = await haveRun(0.0007);
    expect(await look(world, [which(id)])).toEqual(only(which(id), null));
  });

  it('are none, where one that is younger than the look-back has made none', async () => {
    const { world, id } = await haveRun(2);
    expect(await look(world, [which(id)])).toEqual(only(which(id), 0));
  });

  it.each([0, -1, 1.5, Number.NaN])('are not asked for over %s days', async (lookBackDays) => {
    const { world, id } = await haveRun(1);
    const asking = look(world, [which(id)], lookBackDays);
    await expect(asking).rejects.toMatchObject({ name: 'InvalidRequest' });
    await expect(asking).rejects.toThrow('metadata.lookBackDays');
    expect(world.calls).toEqual([]);
  });
});

describe('IMDSv1 calls', () => {
  it('are not known of an instance that its service does not know', async () => {
    const { world } = await haveRun(1);
    const [ec2, lightsail] = [onEc2('i-0123456789abcdef0'), onLightsail('gone')];
    expect(await look(world, [ec2, lightsail])).toEqual(
      new Map([
        [ec2.instanceId, null],
        ['lightsail/eu-west-1/gone', null],
      ]),
    );
  });

  it('of 1001 EC2 instances take three calls, each as many as one takes', async () => {
    const { world, ids } = await haveRun(1, 1001);
    count(world, onEc2(ids[700] ?? ''), 4, 0);
    const calls = await look(
      world,
      ids.map((id) => onEc2(id)),
    );
    expect([...calls].filter(([, number]) => number !== 0)).toEqual([[ids[700], 4]]);
    expect([...calls.keys()]).toEqual(ids);
    expect(world.calls.map(({ operation }) => operation)).toEqual(Array(3).fill('GetMetricData'));
  });

  it('of an answer in pages are those of all pages', async () => {
    const { world, ids } = await haveRun(10, 3, { cloudWatch: { datapointsPerPage: 4 } });
    for (const [index, id] of ids.entries()) {
      count(world, onEc2(id), index + 1, 0);
      count(world, onEc2(id), 10, 8);
    }
    expect([
      ...(
        await look(
          world,
          ids.map((id) => onEc2(id)),
        )
      ).values(),
    ]).toEqual([11, 12, 13]);
  });

  it('are asked for in the Region of each', async () => {
    const { world, id } = await haveRun(0);
    const north = world.ec2.launch({ region: 'eu-north-1' }).instanceId;
    await world.clock.advance(DAY);
    const calls = await look(world, [onEc2(id), onEc2(north, 'eu-north-1')]);
    expect([...calls]).toEqual([
      [id, 0],
      [north, 0],
    ]);
  });

  it.each([
    ['cloudwatch', 'GetMetricData', 'InternalFailure', 'ServiceUnavailable'],
    ['cloudwatch', 'GetMetricData', 'AccessDenied', 'PermissionDenied'],
    ['cloudwatch', 'GetMetricData', 'Throttling', 'Throttled'],
    ['lightsail', 'GetInstanceMetricData', 'ServiceException', 'ServiceUnavailable'],
    ['lightsail', 'GetInstanceMetricData', 'AccessDeniedException', 'PermissionDenied'],
    ['lightsail', 'GetInstanceMetricData', 'Throttling', 'Throttled'],
  ])('are an error and never zero where %s %s answers %s', async (service, operation, error, name) => {
    const { world, id } = await haveRun(1);
    world.faults.set([{ service, operation, error }]);
    await expect(look(world, [onEc2(id), onLightsail('blog')])).rejects.toMatchObject({ name });
  });

  it('are an error when a later page of the answer fails', async () => {
    const { world, ids } = await haveRun(10, 3, { cloudWatch: { datapointsPerPage: 4 } });
    world.faults.set([{ service: 'cloudwatch', operation: 'GetMetricData', error: 'AccessDenied', skip: 1 }]);
    await expect(
      look(
        world,
        ids.map((id) => onEc2(id)),
      ),
    ).rejects.toMatchObject({ name: 'PermissionDenied' });
  });
});
