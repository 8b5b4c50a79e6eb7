import type {
  AutoScalingGroupsType,
  AutoScalingInstancesType,
  DescribeLifecycleHooksAnswer,
  DescribeWarmPoolAnswer,
  TerminateInstanceInAutoScalingGroupCommandOutput,
} from '@aws-sdk/client-auto-scaling';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AwsEvent } from '../../../../world/eventbridge/aws-event.ts';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { seededRandom } from '../../../../world/kernel/random.ts';
import { AutoScaling } from '../../../../world/services/auto-scaling/auto-scaling.ts';
import type { GroupSettings } from '../../../../world/services/auto-scaling/group.ts';
import { Ec2 } from '../../../../world/services/ec2/ec2.ts';
import { call } from '../../../support/call.ts';
import { sized } from '../../../support/size.ts';

const START = new Date('2031-05-06T07:08:09Z');
const LAUNCH_HOOK = {
  AutoScalingGroupName: 'web',
  LifecycleHookName: 'muster-launch',
  LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
  HeartbeatTimeout: 300,
};
const TERMINATE_HOOK = {
  ...LAUNCH_HOOK,
  LifecycleHookName: 'muster-terminate',
  LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
};

function playground() {
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: START });
  const random = seededRandom(1);
  const events: AwsEvent[] = [];
  const ec2 = new Ec2({ clock, random });
  const autoScaling = new AutoScaling({ clock, random, ec2, emit: (event) => events.push(event) });
  const ask = <Answer = unknown>(operation: string, input: object = {}) =>
    call<Answer>(autoScaling.service, operation, input);
  return {
    clock,
    ec2,
    events,
    autoScaling,
    ask,
    seconds: (count: number) => clock.advance(count * 1000),
    kinds: () => events.map((event) => event['detail-type'].replace('EC2 Instance', '').trim()),
    async group(settings: Partial<GroupSettings> = {}, ...hooks: object[]) {
      autoScaling.createGroup({ AutoScalingGroupName: 'web', ...settings });
      for (const hook of hooks) await ask('PutLifecycleHook', hook);
    },
    launchOne(): string {
      const [instanceId] = autoScaling.launch('web', 1);
      if (!instanceId) throw new Error('Nothing was launched.');
      return instanceId;
    },
    stateOf: (instanceId: string) => autoScaling.members.get(instanceId)?.lifecycleState,
    tokenOf(hook = 'muster-launch'): string {
      const action = autoScaling.actions.all.findLast((each) => each.hook === hook);
      if (!action) throw new Error(`Nothing ever waited in ${hook}.`);
      return action.token;
    },
    complete: (LifecycleActionResult: string, target: object) =>
      ask('CompleteLifecycleAction', {
        AutoScalingGroupName: 'web',
        LifecycleHookName: 'muster-launch',
        LifecycleActionResult,
        ...target,
      }),
    heartbeat: (target: object) =>
      ask('RecordLifecycleActionHeartbeat', {
        AutoScalingGroupName: 'web',
        LifecycleHookName: 'muster-launch',
        ...target,
      }),
  };
}

let world: ReturnType<typeof playground>;
beforeEach(() => {
  world = playground();
});

describe('a launch', () => {
  it('without a hook ends in service, and says so in the event that AWS sends', async () => {
    await world.group();
    const instanceId = world.launchOne();
    expect(world.stateOf(instanceId)).toBe('Pending');
    await world.seconds(15);
    expect(world.stateOf(instanceId)).toBe('InService');
    expect(world.events).toEqual([
      {
        version: '0',
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        'detail-type': 'EC2 Instance Launch Successful',
        source: 'aws.autoscaling',
        account: '123456789012',
        time: '2031-05-06T07:08:17Z',
        region: 'eu-west-1',
        resources: [
          expect.stringMatching(/^arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:.*\/web$/),
          `arn:aws:ec2:eu-west-1:123456789012:instance/${instanceId}`,
        ],
        detail: {
          StatusCode: 'InProgress',
          Description: `Launching a new EC2 instance: ${instanceId}`,
          AutoScalingGroupName: 'web',
          ActivityId: expect.any(String),
          Details: { 'Availability Zone': expect.stringMatching(/^eu-west-1/), 'Subnet ID': expect.any(String) },
          RequestId: expect.any(String),
          StatusMessage: '',
          EndTime: '2031-05-06T07:08:17.000Z',
          EC2InstanceId: instanceId,
          StartTime: '2031-05-06T07:08:09.000Z',
          Cause:
            'At 2031-05-06T07:08:09Z a user request explicitly set group desired capacity changing the desired capacity from 0 to 1.  ' +
            'At 2031-05-06T07:08:09Z an instance was started in response to a difference between desired and actual capacity, increasing the capacity from 0 to 1.',
          Origin: 'EC2',
          Destination: 'AutoScalingGroup',
        },
      },
    ]);
  });

  it('waits in its hook until somebody completes it', async () => {
    await world.group({}, { ...LAUNCH_HOOK, NotificationMetadata: '{"team":"web"}' });
    const instanceId = world.launchOne();
    await world.seconds(200);
    expect(world.stateOf(instanceId)).toBe('Pending:Wait');
    expect(world.events).toHaveLength(1);
    expect(world.events[0]).toMatchObject({
      'detail-type': 'EC2 Instance-launch Lifecycle Action',
      time: '2031-05-06T07:08:12Z',
      detail: {
        LifecycleActionToken: world.tokenOf(),
        AutoScalingGroupName: 'web',
        LifecycleHookName: 'muster-launch',
        EC2InstanceId: instanceId,
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
        NotificationMetadata: '{"team":"web"}',
        Origin: 'EC2',
        Destination: 'AutoScalingGroup',
      },
    });
    await world.complete('CONTINUE', { LifecycleActionToken: world.tokenOf() });
    expect(world.stateOf(instanceId)).toBe('Pending:Proceed');
    await world.seconds(1);
    expect(world.stateOf(instanceId)).toBe('InService');
    expect(world.kinds()).toEqual(['-launch Lifecycle Action', 'Launch Successful']);
    expect(world.autoScaling.actions.all).toMatchObject([{ instanceId, result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  it('tags its instances with the group, and with the group’s tags', async () => {
    await world.group({ Tags: [{ Key: 'role', Value: 'web', PropagateAtLaunch: true }] });
    const instance = world.ec2.instance(world.launchOne());
    expect([...(instance?.tags ?? [])]).toEqual([
      ['role', 'web'],
      ['aws:autoscaling:groupName', 'web'],
    ]);
  });

  it('that is abandoned is unsuccessful, terminated and replaced', async () => {
    await world.group({}, LAUNCH_HOOK);
    const instanceId = world.launchOne();
    await world.seconds(5);
    const token = world.tokenOf();
    await world.complete('ABANDON', { InstanceId: instanceId });
    expect(world.stateOf(instanceId)).toBe('Terminating:Proceed');
    await world.seconds(60);
    expect(world.stateOf(instanceId)).toBeUndefined();
    expect(world.ec2.instance(instanceId)?.state).toBe('terminated');
    expect(world.kinds()).toEqual([
      '-launch Lifecycle Action',
      'Launch Unsuccessful',
      '-launch Lifecycle Action',
      'Terminate Successful',
    ]);
    expect(world.events[1]?.detail).toMatchObject({
      StatusCode: 'Failed',
      StatusMessage: `Instance failed to complete user's Lifecycle Action: Lifecycle Action with token ${token} was abandoned: Lifecycle Action Completed with ABANDON Result`,
    });
    expect(world.events[2]?.detail.EC2InstanceId).not.toBe(instanceId);
    expect(world.autoScaling.group('web').active.size).toBe(1);
  });

  it('waits in several hooks one after another, in one Pending:Wait', async () => {
    await world.group({}, LAUNCH_HOOK, { ...LAUNCH_HOOK, LifecycleHookName: 'other-team' });
    const InstanceId = world.launchOne();
    await world.seconds(5);
    expect(world.kinds()).toEqual(['-launch Lifecycle Action']);
    const early = world.complete('CONTINUE', { InstanceId, LifecycleHookName: 'other-team' });
    await expect(early).rejects.toMatchObject({
      code: 'ValidationError',
      message: `No active Lifecycle Action found with instance ID ${InstanceId}`,
    });
    await world.complete('CONTINUE', { InstanceId });
    expect(world.stateOf(InstanceId)).toBe('Pending:Wait');
    expect(world.events.map(({ detail }) => detail.LifecycleHookName)).toEqual(['muster-launch', 'other-team']);
    await expect(world.complete('CONTINUE', { InstanceId })).rejects.toMatchObject({ code: 'ValidationError' });
    await expect(world.heartbeat({ InstanceId })).rejects.toMatchObject({ code: 'ValidationError' });
    await world.complete('CONTINUE', { InstanceId, LifecycleHookName: 'other-team' });
    expect(world.stateOf(InstanceId)).toBe('Pending:Proceed');
  });

  it('is lost as soon as one of several hooks abandons it, and never reaches those after it', async () => {
    await world.group({}, LAUNCH_HOOK, { ...LAUNCH_HOOK, LifecycleHookName: 'other-team' });
    const InstanceId = world.launchOne();
    await world.seconds(5);
    await world.complete('ABANDON', { InstanceId });
    expect(world.stateOf(InstanceId)).toBe('Terminating:Proceed');
    const late = world.complete('CONTINUE', { InstanceId, LifecycleHookName: 'other-team' });
    await expect(late).rejects.toMatchObject({ code: 'ValidationError' });
    expect(world.autoScaling.actions.all).toMatchObject([{ hook: 'muster-launch', resolvedBy: 'caller' }]);
  });
});

describe('an instance that has run for days', () => {
  const membership = async (InstanceId: string) => {
    const { AutoScalingInstances = [] } = await world.ask<AutoScalingInstancesType>('DescribeAutoScalingInstances', {
      InstanceIds: [InstanceId],
    });
    return AutoScalingInstances.map(({ AutoScalingGroupName, LifecycleState }) => [
      AutoScalingGroupName,
      LifecycleState,
    ]);
  };
  const days = (count: number) => world.seconds(count * 86_400);

  it('is announced as a launch when it is attached, and belongs to the group from then on', async () => {
    await world.group();
    const { instanceId, launchTime } = world.ec2.launch({});
    await days(3);
    expect(await membership(instanceId)).toEqual([]);
    await world.ask('AttachInstances', { AutoScalingGroupName: 'web', InstanceIds: [instanceId] });
    expect(await membership(instanceId)).toEqual([['web', 'Pending']]);
    await world.seconds(10);
    expect(await membership(instanceId)).toEqual([['web', 'InService']]);
    expect(world.kinds()).toEqual(['Launch Successful']);
    expect(world.events[0]?.detail).toMatchObject({
      EC2InstanceId: instanceId,
      Description: `Attaching an existing EC2 instance: ${instanceId}`,
    });
    expect(world.ec2.instance(instanceId)).toMatchObject({ launchTime });
    expect(world.ec2.instance(instanceId)?.tags.get('aws:autoscaling:groupName')).toBe('web');
    expect(world.autoScaling.group('web').desiredCapacity).toBe(1);
  });

  it('waits in the launch hook when it is attached', async () => {
    await world.group({}, LAUNCH_HOOK);
    const { instanceId } = world.ec2.launch({});
    await days(3);
    await world.ask('AttachInstances', { AutoScalingGroupName: 'web', InstanceIds: [instanceId] });
    await world.seconds(10);
    expect(await membership(instanceId)).toEqual([['web', 'Pending:Wait']]);
    expect(world.kinds()).toEqual(['-launch Lifecycle Action']);
  });

  it('is not attached while it does not run, twice, or past the maximum size', async () => {
    await world.group({ MaxSize: 1 });
    const attach = (InstanceIds: string[]) =>
      world.ask('AttachInstances', { AutoScalingGroupName: 'web', InstanceIds });
    const [one, other] = [world.ec2.launch({}).instanceId, world.ec2.launch({}).instanceId];
    await expect(attach([one])).rejects.toMatchObject({ code: 'ValidationError' });
    await world.seconds(60);
    await expect(attach([one, other])).rejects.toMatchObject({ code: 'ValidationError' });
    await attach([one]);
    await expect(attach([one])).rejects.toMatchObject({ message: expect.stringContaining('already part') });
  });

  it('leaves standby as a launch, under its own id', async () => {
    await world.group();
    const InstanceId = world.launchOne();
    await days(3);
    const target = { AutoScalingGroupName: 'web', InstanceIds: [InstanceId] };
    await expect(world.ask('ExitStandby', target)).rejects.toMatchObject({ code: 'ValidationError' });
    await world.ask('EnterStandby', { ...target, ShouldDecrementDesiredCapacity: true });
    expect(await membership(InstanceId)).toEqual([['web', 'Standby']]);
    await days(1);
    expect(world.autoScaling.members.all).toHaveLength(1);
    await world.ask('ExitStandby', target);
    await world.seconds(10);
    expect(await membership(InstanceId)).toEqual([['web', 'InService']]);
    expect(world.kinds()).toEqual(['Launch Successful', 'Launch Successful']);
    expect(world.events[1]?.detail).toMatchObject({ Description: `Moving EC2 instance out of Standby: ${InstanceId}` });
  });
});

describe('a termination that is abandoned', () => {
  const retain = { InstanceLifecyclePolicy: { RetentionTriggers: { TerminateHookAbandon: 'retain' as const } } };

  it('retains the instance where the group asks for it, until a person terminates it', async () => {
    await world.group(retain, TERMINATE_HOOK);
    const InstanceId = world.launchOne();
    await world.seconds(60);
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.complete('ABANDON', { InstanceId, LifecycleHookName: 'muster-terminate' });
    await world.seconds(86_400);
    expect(world.stateOf(InstanceId)).toBe('Terminating:Retained');
    expect(world.ec2.instance(InstanceId)?.state).toBe('running');
    await world.ask('TerminateInstanceInAutoScalingGroup', { InstanceId, ShouldDecrementDesiredCapacity: false });
    await world.seconds(60);
    expect(world.stateOf(InstanceId)).toBeUndefined();
    expect(world.kinds().at(-1)).toBe('Terminate Successful');
  });

  it('terminates the instance otherwise', async () => {
    await world.group({}, TERMINATE_HOOK);
    const InstanceId = world.launchOne();
    await world.seconds(60);
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.complete('ABANDON', { InstanceId, LifecycleHookName: 'muster-terminate' });
    await world.seconds(60);
    expect(world.stateOf(InstanceId)).toBeUndefined();
  });
});

describe('a lifecycle action', () => {
  it('expires into the default result of its hook', async () => {
    await world.group({}, LAUNCH_HOOK, { ...LAUNCH_HOOK, DefaultResult: 'CONTINUE' });
    const instanceId = world.launchOne();
    await world.seconds(302);
    expect(world.stateOf(instanceId)).toBe('Pending:Wait');
    await world.seconds(3);
    expect(world.stateOf(instanceId)).toBe('InService');
    expect(world.autoScaling.actions.all).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'timeout' }]);
  });

  it('expires into ABANDON when its hook names no default', async () => {
    await world.group({}, LAUNCH_HOOK);
    world.launchOne();
    await world.seconds(310);
    expect(world.events[1]?.detail.StatusMessage).toContain('was abandoned: Heartbeat Timeout');
    expect(world.autoScaling.actions.all[0]).toMatchObject({ result: 'ABANDON', resolvedBy: 'timeout' });
  });

  it('lives on with every heartbeat, but not past the global time-out', async () => {
    await world.group({}, { ...LAUNCH_HOOK, HeartbeatTimeout: 30 });
    const instanceId = world.launchOne();
    await world.seconds(3);
    const LifecycleActionToken = world.tokenOf();
    for (let count = 0; count < 149; count++) {
      await world.seconds(20);
      await world.heartbeat({ LifecycleActionToken });
    }
    expect(world.stateOf(instanceId)).toBe('Pending:Wait');
    expect(world.autoScaling.actions.all[0]).toMatchObject({ heartbeats: 149, result: undefined });
    await world.seconds(20);
    expect(world.autoScaling.actions.all[0]).toMatchObject({ result: 'ABANDON', resolvedBy: 'timeout' });
    await expect(world.heartbeat({ LifecycleActionToken })).rejects.toMatchObject({
      code: 'ValidationError',
      statusCode: 400,
      message: `No active Lifecycle Action found with token ${LifecycleActionToken}`,
    });
  });

  it('can be completed once, and only for its own hook and group', async () => {
    await world.group({}, LAUNCH_HOOK);
    const InstanceId = world.launchOne();
    const sentence = `No active Lifecycle Action found with instance ID ${InstanceId}`;
    await expect(world.complete('CONTINUE', { InstanceId })).rejects.toThrow(sentence);
    await world.seconds(5);
    const strangers = [{ LifecycleHookName: 'other-team' }, { AutoScalingGroupName: 'db' }];
    for (const stranger of strangers)
      await expect(world.complete('CONTINUE', { InstanceId, ...stranger })).rejects.toThrow(sentence);
    await expect(world.complete('CONTINUE', {})).rejects.toMatchObject({ code: 'ValidationError' });
    await world.complete('CONTINUE', { InstanceId });
    await expect(world.complete('CONTINUE', { InstanceId })).rejects.toThrow(sentence);
    await expect(world.heartbeat({ InstanceId })).rejects.toThrow(sentence);
  });

  it('never outlives its instance, whatever callers do and whenever they do it', async () => {
    const step = fc.record({
      afterSeconds: fc.integer({ min: 0, max: 400 }),
      deed: fc.constantFrom('heartbeat', 'CONTINUE', 'ABANDON', 'terminate', 'ec2', 'launch', 'scale in'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.boolean(), async (steps, ReuseOnScaleIn) => {
        const { clock, ec2, autoScaling, group, launchOne, complete, heartbeat, ask, seconds } = playground();
        const WarmPool = { MinSize: 0, PoolState: 'Stopped', ReuseOnScaleIn } as const;
        await group({ DesiredCapacity: 1, WarmPool }, LAUNCH_HOOK, TERMINATE_HOOK);
        for (const { afterSeconds, deed } of steps) {
          await seconds(afterSeconds);
          const InstanceId = autoScaling.members.all.at(0)?.instance.instanceId ?? 'i-00000000000000000';
          const refused = (error: Error) => expect(error.name).toBe('ServiceError');
          if (deed === 'heartbeat') await heartbeat({ InstanceId }).catch(refused);
          else if (deed === 'launch') launchOne();
          else if (deed === 'scale in') autoScaling.setDesiredCapacity('web', 0);
          else if (deed === 'ec2' && ec2.instance(InstanceId)) ec2.terminate(InstanceId);
          else if (deed === 'terminate')
            await ask('TerminateInstanceInAutoScalingGroup', { InstanceId }).catch(refused);
          else await complete(deed, { InstanceId }).catch(refused);
        }
        autoScaling.setDesiredCapacity('web', 0);
        await clock.run();
        const left = autoScaling.members.all.map(({ lifecycleState, instance }) => [lifecycleState, instance.state]);
        expect(left.filter((states) => states.join() !== 'Warmed:Stopped,stopped')).toEqual([]);
        expect(autoScaling.group('web').warm.size).toBe(left.length);
        if (!ReuseOnScaleIn) expect(left).toEqual([]);
        expect(autoScaling.actions.all.filter(({ result }) => result === undefined)).toEqual([]);
      }),
      { numRuns: sized({ small: 50, full: 300 }) },
    );
  });
});

describe('the end of an instance', () => {
  it('waits in the terminate hook while the machine still runs, and ends whatever the result', async () => {
    await world.group({}, TERMINATE_HOOK);
    const InstanceId = world.launchOne();
    await world.seconds(15);
    await world.ask('SetDesiredCapacity', { AutoScalingGroupName: 'web', DesiredCapacity: 0 });
    expect(world.stateOf(InstanceId)).toBe('Terminating:Wait');
    expect(world.ec2.instance(InstanceId)?.state).toBe('running');
    expect(world.events.at(-1)).toMatchObject({
      'detail-type': 'EC2 Instance-terminate Lifecycle Action',
      detail: { EC2InstanceId: InstanceId, Origin: 'AutoScalingGroup', Destination: 'EC2' },
    });
    await world.complete('ABANDON', { InstanceId, LifecycleHookName: 'muster-terminate' });
    await world.seconds(60);
    expect(world.ec2.instance(InstanceId)?.state).toBe('terminated');
    expect(world.events.at(-1)).toMatchObject({
      'detail-type': 'EC2 Instance Terminate Successful',
      detail: { Description: `Terminating EC2 instance: ${InstanceId}`, StatusCode: 'InProgress' },
    });
    expect(world.autoScaling.members.all).toEqual([]);
  });

  it('takes the oldest first when the group becomes smaller', async () => {
    await world.group();
    const [oldest, ...others] = world.autoScaling.launch('web', 3);
    await world.seconds(15);
    world.autoScaling.setDesiredCapacity('web', 2);
    await world.seconds(60);
    expect(world.autoScaling.members.all.map(({ instance }) => instance.instanceId)).toEqual(others);
    expect(oldest).toBeDefined();
  });

  it('is noticed when it happens behind the group’s back, and made good', async () => {
    await world.group();
    const instanceId = world.launchOne();
    await world.seconds(15);
    world.ec2.terminate(instanceId);
    expect(world.autoScaling.members.get(instanceId)?.healthStatus).toBe('Unhealthy');
    await world.seconds(120);
    expect(world.kinds()).toEqual(['Launch Successful', 'Terminate Successful', 'Launch Successful']);
    expect(world.stateOf(instanceId)).toBeUndefined();
  });

  it('by request is replaced, unless the group is to become smaller', async () => {
    await world.group({ MinSize: 1, DesiredCapacity: 2 });
    await world.seconds(15);
    const [first, second] = world.autoScaling.members.all.map(({ instance }) => instance.instanceId);
    const terminate = (InstanceId: string | undefined, ShouldDecrementDesiredCapacity: boolean) =>
      world.ask<TerminateInstanceInAutoScalingGroupCommandOutput>('TerminateInstanceInAutoScalingGroup', {
        InstanceId,
        ShouldDecrementDesiredCapacity,
      });
    expect((await terminate(first, true)).Activity).toMatchObject({
      Description: `Terminating EC2 instance: ${first}`,
      StatusCode: 'InProgress',
    });
    await expect(terminate(second, true)).rejects.toThrow('Currently, desiredSize equals minSize (1).');
    await terminate(second, false);
    await world.seconds(120);
    expect(world.autoScaling.members.all).toHaveLength(1);
    await expect(terminate(first, false)).rejects.toThrow(
      `Instance Id not found - No managed instance found for instance ID: ${first}`,
    );
  });

  it('drops the launch hook in which the instance still waits', async () => {
    await world.group({}, LAUNCH_HOOK);
    const InstanceId = world.launchOne();
    await world.seconds(5);
    world.autoScaling.setDesiredCapacity('web', 0);
    await expect(world.complete('CONTINUE', { InstanceId })).rejects.toThrow('No active Lifecycle Action found');
    await world.seconds(60);
    expect(world.kinds()).toEqual(['-launch Lifecycle Action', 'Terminate Successful']);
  });
});

it('lets an instance that is wanted no more before its launch hook leave without ever waiting in it', async () => {
  await world.group({}, LAUNCH_HOOK, TERMINATE_HOOK);
  const instanceId = world.launchOne();
  await world.seconds(1);
  world.autoScaling.setDesiredCapacity('web', 0);
  await world.seconds(60);
  expect(world.stateOf(instanceId)).toBe('Terminating:Wait');
  expect(world.kinds()).toEqual(['-terminate Lifecycle Action']);
});

describe('a warm pool', () => {
  const WarmPool = { MinSize: 1, PoolState: 'Stopped', ReuseOnScaleIn: true } as const;

  it('sends an instance through the launch hooks twice, each time with a token of its own', async () => {
    await world.group({ WarmPool }, LAUNCH_HOOK);
    const InstanceId = world.autoScaling.members.all[0]?.instance.instanceId ?? '';
    await world.seconds(10);
    expect(world.stateOf(InstanceId)).toBe('Warmed:Pending:Wait');
    const firstToken = world.tokenOf();
    await world.complete('CONTINUE', { InstanceId });
    await world.seconds(30);
    expect(world.stateOf(InstanceId)).toBe('Warmed:Stopped');
    expect(world.ec2.instance(InstanceId)?.state).toBe('stopped');

    expect(world.autoScaling.launch('web', 1)).toEqual([InstanceId]);
    await world.seconds(5);
    expect(world.stateOf(InstanceId)).toBe('Pending:Wait');
    expect(world.tokenOf()).not.toBe(firstToken);
    const routes = world.events
      .filter(({ detail }) => detail.EC2InstanceId === InstanceId)
      .map(({ detail }) => `${detail.Origin} -> ${detail.Destination}`);
    expect(routes).toEqual(['EC2 -> WarmPool', 'EC2 -> WarmPool', 'WarmPool -> AutoScalingGroup']);
    await world.complete('CONTINUE', { InstanceId });
    await world.seconds(10);
    expect(world.stateOf(InstanceId)).toBe('InService');
  });

  it('takes an instance back on scale-in with a terminate event, though the instance lives', async () => {
    await world.group({ WarmPool: { ...WarmPool, MinSize: 0 } }, TERMINATE_HOOK);
    const InstanceId = world.launchOne();
    await world.seconds(15);
    world.autoScaling.setDesiredCapacity('web', 0);
    expect(world.events.at(-1)).toMatchObject({
      'detail-type': 'EC2 Instance-terminate Lifecycle Action',
      detail: { Origin: 'AutoScalingGroup', Destination: 'WarmPool' },
    });
    await world.complete('CONTINUE', { InstanceId, LifecycleHookName: 'muster-terminate' });
    await world.seconds(60);
    expect(world.stateOf(InstanceId)).toBe('Warmed:Stopped');
    expect(world.ec2.instance(InstanceId)?.state).toBe('stopped');
  });

  it('is shown by DescribeWarmPool, and not among the instances of its group', async () => {
    await world.group({ WarmPool: { ...WarmPool, MinSize: 2 }, DesiredCapacity: 0 }, LAUNCH_HOOK);
    await world.seconds(10);
    const { AutoScalingGroups: [group] = [] } = await world.ask<AutoScalingGroupsType>('DescribeAutoScalingGroups');
    expect(group).toMatchObject({ Instances: [], WarmPoolSize: 2, WarmPoolConfiguration: { MinSize: 2 } });
    const page = (input: object) =>
      world.ask<DescribeWarmPoolAnswer>('DescribeWarmPool', { AutoScalingGroupName: 'web', ...input });
    const first = await page({ MaxRecords: 1 });
    expect(first.Instances).toMatchObject([{ LifecycleState: 'Warmed:Pending:Wait' }]);
    const second = await page({ MaxRecords: 1, NextToken: first.NextToken });
    expect(second).toMatchObject({ Instances: [{ LifecycleState: 'Warmed:Pending:Wait' }] });
    expect(second.NextToken).toBeUndefined();
    expect(second.Instances?.[0]?.InstanceId).not.toBe(first.Instances?.[0]?.InstanceId);
    await expect(page({ MaxRecords: 51 })).rejects.toMatchObject({ code: 'ValidationError' });
  });
});

describe('the API', () => {
  it('keeps hooks with the service’s defaults, and changes only what a later call names', async () => {
    await world.group({}, { ...LAUNCH_HOOK, HeartbeatTimeout: undefined });
    const described = () =>
      world.ask<DescribeLifecycleHooksAnswer>('DescribeLifecycleHooks', { AutoScalingGroupName: 'web' });
    const hook = { ...LAUNCH_HOOK, HeartbeatTimeout: 3600, GlobalTimeout: 172_800, DefaultResult: 'ABANDON' };
    expect((await described()).LifecycleHooks).toEqual([hook]);
    const { AutoScalingGroupName, LifecycleHookName } = LAUNCH_HOOK;
    await world.ask('PutLifecycleHook', { AutoScalingGroupName, LifecycleHookName, HeartbeatTimeout: 60 });
    expect((await described()).LifecycleHooks).toEqual([{ ...hook, HeartbeatTimeout: 60, GlobalTimeout: 6000 }]);
    const bad = [{ LifecycleHookName: 'new' }, { LifecycleHookName, HeartbeatTimeout: 29 }];
    for (const each of bad)
      await expect(world.ask('PutLifecycleHook', { AutoScalingGroupName, ...each })).rejects.toMatchObject({
        code: 'ValidationError',
      });
  });

  it('refuses an unknown group, and a capacity outside of the group’s bounds', async () => {
    await world.group({ MinSize: 1, MaxSize: 2 });
    const set = (AutoScalingGroupName: string, DesiredCapacity: number) =>
      world.ask('SetDesiredCapacity', { AutoScalingGroupName, DesiredCapacity });
    await expect(set('db', 1)).rejects.toThrow("AutoScalingGroup 'db' not found");
    await expect(set('web', 3)).rejects.toThrow(
      'New SetDesiredCapacity value 3 is above max value 2 for the AutoScalingGroup.',
    );
    await expect(set('web', 0)).rejects.toThrow('is below min value 1');
  });

  it('describes instances by id, leaves unknown ones out and refuses more than fifty', async () => {
    await world.group();
    const instanceId = world.launchOne();
    const describeInstances = (input: object) =>
      world.ask<AutoScalingInstancesType>('DescribeAutoScalingInstances', input);
    expect(await describeInstances({ InstanceIds: [instanceId, 'i-00000000000000000'] })).toEqual({
      AutoScalingInstances: [
        {
          InstanceId: instanceId,
          InstanceType: 't3.micro',
          AutoScalingGroupName: 'web',
          AvailabilityZone: expect.stringMatching(/^eu-west-1/),
          LifecycleState: 'Pending',
          HealthStatus: 'HEALTHY',
          LaunchTemplate: expect.objectContaining({ Version: '1' }),
          ProtectedFromScaleIn: false,
        },
      ],
    });
    const InstanceIds = Array.from({ length: 51 }, (_, index) => `i-${String(index).padStart(17, '0')}`);
    await expect(describeInstances({ InstanceIds })).rejects.toMatchObject({ code: 'ValidationError' });
  });

  it('lists all instances and all groups in pages', async () => {
    for (const name of ['a', 'b', 'c'])
      world.autoScaling.createGroup({ AutoScalingGroupName: name, DesiredCapacity: 1 });
    const first = await world.ask<AutoScalingGroupsType>('DescribeAutoScalingGroups', { MaxRecords: 2 });
    const NextToken = first.NextToken;
    const second = await world.ask<AutoScalingGroupsType>('DescribeAutoScalingGroups', { MaxRecords: 2, NextToken });
    const groups = [...(first.AutoScalingGroups ?? []), ...(second.AutoScalingGroups ?? [])];
    expect(groups.map(({ AutoScalingGroupName }) => AutoScalingGroupName)).toEqual(['a', 'b', 'c']);
    expect(groups[0]).toMatchObject({
      DesiredCapacity: 1,
      AvailabilityZones: ['eu-west-1a', 'eu-west-1b', 'eu-west-1c'],
      Instances: [{ LifecycleState: 'Pending' }],
    });
    expect(second.NextToken).toBeUndefined();
    const page = await world.ask<AutoScalingInstancesType>('DescribeAutoScalingInstances', { MaxRecords: 2 });
    expect(page.AutoScalingInstances).toHaveLength(2);
    await expect(world.ask('DescribeAutoScalingInstances', { NextToken: 'x' })).rejects.toMatchObject({
      code: 'InvalidNextToken',
    });
  });
});

it('carries 10,000 launches at once', async () => {
  await world.group({}, LAUNCH_HOOK);
  const ids = world.autoScaling.launch('web', 10_000);
  await world.seconds(5);
  const begin = performance.now();
  for (const InstanceId of ids) await world.complete('CONTINUE', { InstanceId });
  expect(performance.now() - begin).toBeLessThan(5000);
  await world.seconds(20);
  expect(world.kinds().filter((kind) => kind === 'Launch Successful')).toHaveLength(10_000);
});
