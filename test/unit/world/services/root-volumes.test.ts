import type {
  CreateReplaceRootVolumeTaskResult,
  DescribeInstancesResult,
  DescribeReplaceRootVolumeTasksResult,
  Instance,
} from '@aws-sdk/client-ec2';
import { beforeEach, describe, expect, it } from 'vitest';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { seededRandom } from '../../../../world/kernel/random.ts';
import { Ec2, type Ec2Options } from '../../../../world/services/ec2/ec2.ts';
import { call } from '../../../support/call.ts';

const START = new Date('2031-05-06T07:08:09.500Z');
let clock: WorldClock;
let replaced: string[];

beforeEach(() => {
  clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: START });
  replaced = [];
});

const seconds = (count: number) => clock.advance(count * 1000);

async function running(options: Partial<Ec2Options> = {}, launch: Parameters<Ec2['launch']>[0] = {}) {
  const onRootVolumeReplaced: Ec2Options['onRootVolumeReplaced'] = (_, source) => replaced.push(source);
  const double = new Ec2({ clock, random: seededRandom(1), onRootVolumeReplaced, ...options });
  const { instanceId } = double.launch(launch);
  await seconds(60);
  const ask = <Answer>(operation: string, input: object) => call<Answer>(double.service, operation, input);
  return {
    double,
    instanceId,
    replace: (request: object = {}) =>
      ask<CreateReplaceRootVolumeTaskResult>('CreateReplaceRootVolumeTask', { InstanceId: instanceId, ...request }),
    async tasks(input: object = {}) {
      const { ReplaceRootVolumeTasks = [], NextToken } = await ask<DescribeReplaceRootVolumeTasksResult>(
        'DescribeReplaceRootVolumeTasks',
        input,
      );
      return { tasks: ReplaceRootVolumeTasks, NextToken };
    },
    async shown(): Promise<Instance | undefined> {
      const { Reservations = [] } = await ask<DescribeInstancesResult>('DescribeInstances', {
        InstanceIds: [instanceId],
      });
      return Reservations[0]?.Instances?.[0];
    },
  };
}

type Running = Awaited<ReturnType<typeof running>>;

async function rootOf({ shown }: Running) {
  const { RootDeviceName, BlockDeviceMappings = [] } = (await shown()) ?? {};
  return BlockDeviceMappings.find(({ DeviceName }) => DeviceName === RootDeviceName)?.Ebs;
}

describe('a root volume', () => {
  it('is shown at the root device, attached at the launch', async () => {
    const one = await running();
    expect(await one.shown()).toMatchObject({ RootDeviceType: 'ebs' });
    expect(await rootOf(one)).toMatchObject({
      VolumeId: expect.stringMatching(/^vol-[0-9a-f]{17}$/),
      AttachTime: new Date('2031-05-06T07:08:09Z'),
    });
  });

  it('is none where the root device is an instance store, and none of a terminated instance', async () => {
    const store = await running({}, { rootDeviceType: 'instance-store' });
    expect(await store.shown()).toMatchObject({ RootDeviceType: 'instance-store', BlockDeviceMappings: [] });
    const one = await running();
    one.double.terminate(one.instanceId);
    await seconds(30);
    expect(await rootOf(one)).toBeUndefined();
  });

  it('keeps its id and gets a new AttachTime when it is detached and attached again, and no task says so', async () => {
    const one = await running();
    const before = await rootOf(one);
    one.double.reattachRootVolume(one.instanceId);
    const after = await rootOf(one);
    expect(after?.VolumeId).toBe(before?.VolumeId);
    expect(after?.AttachTime).not.toEqual(before?.AttachTime);
    expect((await one.tasks()).tasks).toEqual([]);
  });
});

describe('a replacement', () => {
  it('is pending, in progress, and succeeded with another volume; its task does not name the volume', async () => {
    const one = await running();
    const before = await rootOf(one);
    const { ReplaceRootVolumeTask: task } = await one.replace({ ImageId: 'ami-1' });
    expect(task).toMatchObject({ TaskState: 'pending', StartTime: '2031-05-06T07:09:09Z', ImageId: 'ami-1' });
    expect(task).not.toHaveProperty('CompleteTime');
    await seconds(10);
    expect((await one.tasks()).tasks).toMatchObject([{ TaskState: 'in-progress' }]);
    expect(replaced).toEqual([]);
    await seconds(10);
    const { tasks } = await one.tasks();
    expect(tasks).toMatchObject([{ TaskState: 'succeeded', CompleteTime: '2031-05-06T07:09:29Z' }]);
    const after = await rootOf(one);
    expect(after?.VolumeId).not.toBe(before?.VolumeId);
    expect(JSON.stringify(tasks)).not.toContain(after?.VolumeId);
    expect(replaced).toEqual(['image']);
  });

  it('from a snapshot, or with a volume that is named, brings a former disk back', async () => {
    const one = await running();
    await one.replace({ SnapshotId: 'snap-1' });
    await seconds(21);
    await one.replace({ VolumeId: 'vol-1' });
    await seconds(21);
    expect(replaced).toEqual(['former-disk', 'former-disk']);
    expect(await rootOf(one)).toMatchObject({ VolumeId: 'vol-1' });
  });

  it('fails with the original volume attached, or without an instance that has gone meanwhile', async () => {
    const failing = await running({ replacementsFail: true });
    const before = await rootOf(failing);
    await failing.replace();
    await seconds(21);
    expect((await failing.tasks()).tasks).toMatchObject([{ TaskState: 'failed' }]);
    expect(await rootOf(failing)).toEqual(before);
    const gone = await running();
    await gone.replace();
    await seconds(12);
    gone.double.terminate(gone.instanceId);
    await seconds(12);
    expect((await gone.tasks()).tasks).toMatchObject([{ TaskState: 'failed-detached' }]);
    expect(replaced).toEqual([]);
  });

  it('is shown late: another volume by DescribeInstances, and a state by DescribeReplaceRootVolumeTasks', async () => {
    const one = await running({ volumesAfterSeconds: 30, tasksAfterSeconds: 60 });
    const before = await rootOf(one);
    await one.replace();
    expect((await one.tasks()).tasks).toEqual([]);
    await seconds(45);
    expect(await rootOf(one)).toEqual(before);
    await seconds(10);
    expect((await rootOf(one))?.VolumeId).not.toBe(before?.VolumeId);
    await seconds(6);
    expect((await one.tasks()).tasks).toMatchObject([{ TaskState: 'pending' }]);
    await seconds(30);
    expect((await one.tasks()).tasks).toMatchObject([{ TaskState: 'succeeded' }]);
  });
});

describe('what EC2 refuses', () => {
  const refused: [string, object, string][] = [
    ['an instance that is not there', { InstanceId: 'i-00000000000000000' }, 'InvalidInstanceID.NotFound'],
    ['two sources', { ImageId: 'ami-1', SnapshotId: 'snap-1' }, 'InvalidParameterCombination'],
  ];

  it.each(refused)('is a replacement with %s', async (_, request, code) => {
    const one = await running();
    await expect(one.replace(request)).rejects.toMatchObject({ code });
  });

  it('is a replacement of an instance store, of a stopped instance, and beside another replacement', async () => {
    const store = await running({}, { rootDeviceType: 'instance-store' });
    await expect(store.replace()).rejects.toMatchObject({ code: 'UnsupportedOperation' });
    const one = await running();
    await one.replace();
    await expect(one.replace()).rejects.toMatchObject({ code: 'IncorrectState' });
    await seconds(21);
    one.double.stop(one.instanceId);
    await expect(one.replace()).rejects.toMatchObject({ code: 'IncorrectInstanceState' });
  });

  const unlisted: [string, object, string][] = [
    ['a filter other than instance-id', { Filters: [{ Name: 'state', Values: ['x'] }] }, 'InvalidParameterValue'],
    [
      'an id that no task has',
      { ReplaceRootVolumeTaskIds: ['replacevol-1'] },
      'InvalidReplaceRootVolumeTaskID.NotFound',
    ],
    ['a token of another list', { NextToken: 'x' }, 'InvalidNextToken'],
  ];

  it.each(unlisted)('is a list of tasks with %s', async (_, input, code) => {
    const one = await running();
    await expect(one.tasks(input)).rejects.toMatchObject({ code });
  });
});

it('lists tasks of the instance that the filter names, page by page, and of its own Region only', async () => {
  const one = await running();
  const other = one.double.launch({});
  await seconds(21);
  one.double.replaceRootVolume(other.instanceId);
  for (let times = 0; times < 2; times++) {
    await one.replace();
    await seconds(21);
  }
  const Filters = [{ Name: 'instance-id', Values: [one.instanceId] }];
  const first = await one.tasks({ Filters, MaxResults: 1 });
  const second = await one.tasks({ Filters, MaxResults: 1, NextToken: first.NextToken });
  expect([...first.tasks, ...second.tasks].map(({ InstanceId }) => InstanceId)).toEqual([
    one.instanceId,
    one.instanceId,
  ]);
  expect(second.NextToken).toBeUndefined();
  const elsewhere = await call<DescribeReplaceRootVolumeTasksResult>(
    one.double.service,
    'DescribeReplaceRootVolumeTasks',
    {},
    { region: 'us-east-1' },
  );
  expect(elsewhere.ReplaceRootVolumeTasks).toEqual([]);
});
