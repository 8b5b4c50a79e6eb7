import { LifecycleState } from '@aws-sdk/client-auto-scaling';
import { expect, it } from 'vitest';
import type { AwsEvent } from '../../../../world/eventbridge/aws-event.ts';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { seededRandom } from '../../../../world/kernel/random.ts';
import { AutoScaling } from '../../../../world/services/auto-scaling/auto-scaling.ts';
import { Ec2, type Ec2Options } from '../../../../world/services/ec2/ec2.ts';
import { call } from '../../../support/call.ts';

const REFRESH = {
  AutoScalingGroupName: 'web',
  Strategy: 'ReplaceRootVolume',
  DesiredConfiguration: {
    MixedInstancesPolicy: { LaunchTemplate: { Overrides: [{ InstanceType: 't3.micro', ImageId: 'ami-1' }] } },
  },
};
const MINUTE = 60_000;

async function groupOf(count: number, hooks: readonly string[], options: Partial<Ec2Options> = {}) {
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: new Date('2031-05-06T07:08:09Z') });
  const random = seededRandom(1);
  const events: AwsEvent[] = [];
  const states: Record<string, string[]> = {};
  const ec2 = new Ec2({ clock, random, ...options });
  const autoScaling = new AutoScaling({ clock, random, ec2, emit: (event) => events.push(event) });
  const ask = (operation: string, input: object) => call(autoScaling.service, operation, input);
  autoScaling.createGroup({ AutoScalingGroupName: 'web', DesiredCapacity: count });
  await clock.advance(MINUTE);
  for (const kind of hooks)
    await ask('PutLifecycleHook', {
      AutoScalingGroupName: 'web',
      LifecycleHookName: kind,
      LifecycleTransition: `autoscaling:EC2_INSTANCE_${kind}`,
      HeartbeatTimeout: 30,
      DefaultResult: 'CONTINUE',
    });
  events.length = 0;
  /** Lets time pass, second by second, and notes each state that an instance is in. */
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      for (const { instance, lifecycleState } of autoScaling.members.all) {
        states[instance.instanceId] ??= [];
        if (states[instance.instanceId]?.at(-1) !== lifecycleState) states[instance.instanceId]?.push(lifecycleState);
      }
      await clock.advance(1000);
    }
  };
  return { clock, ec2, autoScaling, events, ask, states, pass };
}

it('takes an instance through both hooks, each with its event, and into service again', async () => {
  const { ask, pass, states, events, ec2 } = await groupOf(1, ['TERMINATING', 'LAUNCHING']);
  const [before] = ec2.snapshot().instances;
  await ask('StartInstanceRefresh', REFRESH);
  await pass(120);
  expect(Object.values(states)).toEqual([
    [
      'ReplacingRootVolume',
      'ReplacingRootVolume:Wait',
      'ReplacingRootVolume:Proceed',
      'RootVolumeReplaced',
      'Pending:Wait',
      'Pending:Proceed',
      'InService',
    ],
  ]);
  const detail = { Origin: 'AutoScalingGroup', Destination: 'AutoScalingGroup', Action: 'ReplaceRootVolume' };
  expect(events).toMatchObject([
    { 'detail-type': 'EC2 Instance-terminate Lifecycle Action', detail },
    { 'detail-type': 'EC2 Instance-launch Lifecycle Action', detail },
  ]);
  const [after] = ec2.snapshot().instances;
  expect(after?.InstanceId).toBe(before?.InstanceId);
  expect(after?.BlockDeviceMappings).not.toEqual(before?.BlockDeviceMappings);
});

it('sends no event without hooks', async () => {
  const { ask, pass, events, states } = await groupOf(1, []);
  await ask('StartInstanceRefresh', REFRESH);
  await pass(60);
  expect(Object.values(states)[0]).toContain('RootVolumeReplaced');
  expect(events).toEqual([]);
});

it('replaces some of the group at a time, and each once', async () => {
  const { ask, pass, ec2, autoScaling } = await groupOf(4, []);
  const volumes = () => ec2.snapshot().instances.map(({ BlockDeviceMappings }) => BlockDeviceMappings);
  const before = volumes();
  await ask('StartInstanceRefresh', { ...REFRESH, Preferences: { MinHealthyPercentage: 50 } });
  await pass(10);
  expect(autoScaling.members.all.filter(({ lifecycleState }) => lifecycleState === 'InService')).toHaveLength(2);
  await pass(120);
  expect(autoScaling.members.all.filter(({ lifecycleState }) => lifecycleState === 'InService')).toHaveLength(4);
  const after = volumes();
  for (const [index, volume] of after.entries()) expect(volume).not.toEqual(before[index]);
});

it('terminates and replaces an instance whose root volume cannot be replaced', async () => {
  const { ask, pass, autoScaling, ec2 } = await groupOf(1, [], { replacementsFail: true });
  const [before] = ec2.snapshot().instances;
  await ask('StartInstanceRefresh', REFRESH);
  await pass(120);
  expect(autoScaling.members.all).toMatchObject([{ lifecycleState: 'InService' }]);
  expect(autoScaling.members.get(before?.InstanceId ?? '')).toBeUndefined();
});

it('is refused without an image in each override, and beside another refresh', async () => {
  const { ask, pass } = await groupOf(1, []);
  const start = (change: object) => ask('StartInstanceRefresh', { ...REFRESH, ...change });
  await expect(start({ DesiredConfiguration: undefined })).rejects.toMatchObject({ code: 'ValidationError' });
  await expect(start({ Strategy: 'Rolling' })).rejects.toMatchObject({ code: 'ValidationError' });
  await start({});
  await expect(start({})).rejects.toMatchObject({ code: 'InstanceRefreshInProgress' });
  await pass(60);
  await start({});
});

it('knows thirty lifecycle states', () => {
  expect(Object.values(LifecycleState)).toHaveLength(30);
});
