import { describe, expect, it } from 'vitest';
import { ESTATE, type Estate } from '../../../local/estate.ts';
import { atRest, deploy, enrolledFleet, HOUR, loseEvents, startsOf, sweep } from '../../support/sweeps.ts';
import { callsOfHandlers, launchActions, nameOf, type Played, playWorld, untilEnded } from '../../support/world.ts';

const [web, ...others] = ESTATE.groups;

function estateWithPool(ReuseOnScaleIn: boolean, MinSize = 1): Estate {
  const WarmPool = { MinSize, PoolState: 'Stopped', ReuseOnScaleIn } as const;
  return { ...ESTATE, groups: [{ AutoScalingGroupName: 'web', ...web, WarmPool }, ...others] };
}

const stateOf = (world: Played, instance: string) => world.autoScaling.members.get(instance)?.lifecycleState;

/** The pool is filled up again, so a report has rows of other instances too. */
async function sweptRows(world: Played, instance: string) {
  const { rows } = await sweep(world);
  return rows.filter((row) => row.instance === instance);
}

/** An instance of a warm pool that is enrolled and stopped there. No event arrives from now on. */
async function pooled(ReuseOnScaleIn = true) {
  const world = await playWorld({ estate: estateWithPool(ReuseOnScaleIn) });
  await untilEnded(world, 1);
  await world.clock.advance(HOUR);
  loseEvents(world);
  const [member] = world.autoScaling.members.all;
  const instance = member?.instance.instanceId ?? '';
  expect(await world.ledger()).toMatchObject([{ instance, status: 'enrolled' }]);
  expect(stateOf(world, instance)).toBe('Warmed:Stopped');
  return { world, instance };
}

describe('a launch that waits in our hook, and whose event is lost', () => {
  it('is let into service although the instance was enrolled in its warm pool', async () => {
    const { world, instance } = await pooled();
    world.autoScaling.launch('web', 1);
    await world.clock.advance(HOUR / 4);
    expect(stateOf(world, instance)).toBe('Pending:Wait');
    expect(await sweptRows(world, instance)).toMatchObject([
      {
        instance,
        finding: 'waiting',
        action: 'started',
        starts: 'enrol-node',
        reason: expect.stringMatching(/launch/),
      },
    ]);
    await world.clock.advance(60_000);
    expect(stateOf(world, instance)).toBe('InService');
    expect(launchActions(world).findLast(({ instanceId }) => instanceId === instance)).toMatchObject({
      resolvedBy: 'caller',
      result: 'CONTINUE',
    });
    await atRest(world);
    expect(await sweptRows(world, instance)).toEqual([]);
  });

  it('is let into its warm pool', async () => {
    const world = await playWorld({ estate: estateWithPool(false, 0) });
    loseEvents(world);
    const group = world.autoScaling.group('web');
    world.autoScaling.members.launch(group, 'WarmPool', 'It was asked for.');
    await world.clock.advance(HOUR / 4);
    const [member] = world.autoScaling.members.all;
    expect(member?.lifecycleState).toBe('Warmed:Pending:Wait');
    expect((await sweep(world)).rows).toMatchObject([{ action: 'started', starts: 'enrol-node' }]);
    await atRest(world);
    expect(member?.lifecycleState).toBe('Warmed:Pending:Proceed');
  });

  it('is seen again an hour later, where the first start brought nothing', async () => {
    const { world, instance } = await pooled();
    world.autoScaling.launch('web', 1);
    await world.clock.advance(HOUR / 4);
    world.faults.set([{ service: 'autoscaling', operation: 'CompleteLifecycleAction', error: 'AccessDenied' }]);
    await sweep(world);
    await atRest(world);
    expect(stateOf(world, instance)).toBe('Pending:Wait');
    world.faults.set([]);
    world.autoScaling.actions.heartbeat({
      AutoScalingGroupName: 'web',
      LifecycleHookName: 'muster-launch',
      InstanceId: instance,
    });
    await world.clock.advance(50 * 60_000);
    expect(await sweptRows(world, instance)).toMatchObject([{ action: 'started' }]);
    await world.clock.advance(60_000);
    expect(stateOf(world, instance)).toBe('InService');
  });

  it('is started although the profile does not change IMDSv1 on an instance that has run', async () => {
    const { world, instance } = await pooled();
    world.ec2.service.operations.ModifyInstanceMetadataOptions?.(
      { InstanceId: instance, HttpTokens: 'optional' } as never,
      {} as never,
    );
    world.autoScaling.launch('web', 1);
    await world.clock.advance(HOUR / 4);
    world.ec2.countMetadataNoToken(instance, 7);
    expect(await sweptRows(world, instance)).toMatchObject([
      { action: 'started', reason: expect.stringContaining('waits in its hook') },
    ]);
    await atRest(world);
    expect(stateOf(world, instance)).toBe('InService');
    expect(world.ec2.instance(instance)?.metadataOptions).toMatchObject({ HttpTokens: 'optional' });
  });

  it('comes before everything else where a sweep may start one execution only', async () => {
    const { world } = await pooled();
    world.autoScaling.launch('batch-nightly', 2);
    world.autoScaling.launch('web', 1);
    await world.clock.advance(HOUR / 4);
    deploy((file) => {
      file.sweep.maxStarts = 1;
    });
    const { rows } = await sweep(world);
    expect(rows.filter(({ action }) => action === 'started')).toMatchObject([{ profile: 'web', starts: 'enrol-node' }]);
    expect(rows.filter(({ profile }) => profile === 'batch')).toMatchObject([{ action: 'later' }, { action: 'later' }]);
  });

  it('is held as its profile says where its enrolment has failed for good', async () => {
    const world = await playWorld();
    world.faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', error: 'ValidationException' }]);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(HOUR / 4);
    loseEvents(world);
    world.faults.set([]);
    expect(stateOf(world, instance)).toBe('Pending:Wait');
    const before = startsOf(world).length;
    const { rows } = await sweep(world);
    expect(rows).toMatchObject([{ instance, action: 'nothing' }]);
    expect(startsOf(world)).toHaveLength(before);
  });

  it('of which Auto Scaling shows the group on a later page is seen as well', async () => {
    const crowd = Array.from({ length: 120 }, (_, index) => ({ AutoScalingGroupName: `another-${index}` }));
    const world = await playWorld({ estate: { ...ESTATE, groups: [...crowd, ...ESTATE.groups] } });
    world.faults.set([{ service: 'autoscaling', operation: 'CompleteLifecycleAction', error: 'AccessDenied' }]);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(HOUR / 2);
    world.faults.set([]);
    loseEvents(world);
    expect((await sweep(world)).rows).toMatchObject([{ instance, finding: 'waiting', action: 'started' }]);
    await world.clock.advance(60_000);
    expect(stateOf(world, instance)).toBe('InService');
  });
});

describe("another team's hook", () => {
  it('is none of ours: its launch and its termination are left to it', async () => {
    const { world, instances } = await enrolledFleet(1);
    const [instance = ''] = instances;
    const drain = {
      AutoScalingGroupName: 'batch-nightly',
      LifecycleHookName: 'drain',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
    };
    world.autoScaling.service.operations.PutLifecycleHook?.(drain as never, {} as never);
    world.autoScaling.launch('batch-nightly', 1);
    world.autoScaling.launch('analytics', 1);
    await world.clock.advance(HOUR / 4);
    await sweep(world);
    await atRest(world);
    world.autoScaling.setDesiredCapacity('batch-nightly', 0);
    await world.clock.advance(60_000);
    const started = startsOf(world).length;
    expect((await sweep(world)).rows).toEqual([]);
    expect(startsOf(world)).toHaveLength(started);
    expect(stateOf(world, instance)).toBe('InService');
  });
});

describe("another team's termination hook", () => {
  it('is left to that team, although a profile of another group names a hook of its name', async () => {
    const { world, instances } = await enrolledFleet(1);
    const [instance = ''] = instances;
    deploy((file) => {
      Object.assign(file.profiles.find(({ name }) => name === 'batch') ?? {}, { terminationHook: 'drain' });
    });
    const drain = {
      AutoScalingGroupName: 'web',
      LifecycleHookName: 'drain',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
    };
    world.autoScaling.service.operations.PutLifecycleHook?.(drain as never, {} as never);
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.clock.advance(60_000);
    await sweep(world);
    await atRest(world);
    const ended = launchActions(world).filter((action) => action.instanceId === instance);
    expect(ended.slice(1).map(({ hook, result }) => [hook, result])).toEqual([
      ['muster-terminate', 'CONTINUE'],
      ['drain', undefined],
    ]);
    expect(stateOf(world, instance)).toBe('Terminating:Wait');
  });
});

describe('a termination that waits in our hook, and whose event is lost', () => {
  it.each([true, false])('is let go by the next sweep (its node enrolled: %s)', async (isEnrolled) => {
    const world = await playWorld();
    if (!isEnrolled) loseEvents(world);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    if (isEnrolled) await untilEnded(world, 1);
    else
      await world.clock
        .advance(60_000)
        .then(() =>
          world.autoScaling.actions.complete(
            { AutoScalingGroupName: 'web', LifecycleHookName: 'muster-launch', InstanceId: instance },
            'CONTINUE',
          ),
        );
    await world.clock.advance(HOUR);
    loseEvents(world);
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.clock.advance(60_000);
    expect(stateOf(world, instance)).toBe('Terminating:Wait');
    const { rows, profiles } = await sweep(world);
    expect(rows).toMatchObject([
      {
        instance,
        finding: 'waiting',
        action: 'started',
        starts: 'retire-node',
        reason: expect.stringMatching(/termination/),
      },
    ]);
    expect(profiles[0]?.counts).toMatchObject({ underWay: 1, drifting: 0 });
    await atRest(world);
    await world.clock.advance(60_000);
    expect(stateOf(world, instance)).toBeUndefined();
    expect(world.ec2.instance(instance)?.state).toBe('terminated');
    expect(await world.ledger()).toMatchObject([{ instance, status: 'retired' }]);
  });

  it('is let go, and its node kept, where the instance returns to its warm pool', async () => {
    const { world, instance } = await pooled();
    world.lambda.interceptor = async (_, next) => next();
    world.autoScaling.launch('web', 1);
    await world.clock.advance(HOUR);
    expect(stateOf(world, instance)).toBe('InService');
    loseEvents(world);
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.clock.advance(60_000);
    expect(await sweptRows(world, instance)).toMatchObject([{ finding: 'waiting', starts: 'retire-node' }]);
    await atRest(world);
    expect(stateOf(world, instance)).toBe('Warmed:Stopped');
    expect(await world.ledger()).toContainEqual(expect.objectContaining({ instance, status: 'enrolled' }));
  });

  it('is only said to be let go in a dry run', async () => {
    const { world, instances } = await enrolledFleet(1);
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.clock.advance(60_000);
    const started = startsOf(world).length;
    expect((await sweep(world, { dryRun: true })).rows).toMatchObject([
      { instance: instances[0], finding: 'waiting', action: 'would-start', starts: 'retire-node' },
    ]);
    expect(startsOf(world)).toHaveLength(started);
  });

  it('is left to the retirement that already works on it', async () => {
    const { world, instances } = await enrolledFleet(1);
    world.lambda.interceptor = async (_, next) => next();
    world.faults.set([{ service: 'autoscaling', operation: 'CompleteLifecycleAction', statusCode: 503 }]);
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.clock.advance(5 * 60_000);
    expect(stateOf(world, instances[0] ?? '')).toBe('Terminating:Wait');
    const started = startsOf(world).length;
    const { rows, profiles } = await sweep(world);
    expect(rows).toEqual([]);
    expect(profiles[0]?.counts).toMatchObject({ underWay: 1 });
    expect(startsOf(world)).toHaveLength(started);
  });
});

describe('an instance that its group retains', () => {
  it('is reported until a person terminates it, and neither enrolled nor retired', async () => {
    const policy = { InstanceLifecyclePolicy: { RetentionTriggers: { TerminateHookAbandon: 'retain' } } } as const;
    const estate = { ...ESTATE, groups: [{ AutoScalingGroupName: 'web', ...web, ...policy }, ...others] };
    const { world, instances } = await enrolledFleet(1, { estate });
    const [instance = ''] = instances;
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.clock.advance(60_000);
    world.autoScaling.actions.complete(
      { AutoScalingGroupName: 'web', LifecycleHookName: 'muster-terminate', InstanceId: instance },
      'ABANDON',
    );
    await world.clock.advance(60_000);
    expect(stateOf(world, instance)).toBe('Terminating:Retained');
    const started = startsOf(world).length;
    expect((await sweep(world)).rows).toMatchObject([
      { instance, finding: 'retained', action: 'nothing', reason: expect.stringContaining('Terminating:Retained') },
    ]);
    expect(startsOf(world)).toHaveLength(started);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'enrolled' }]);
  });
});

describe('what a sweep asks Auto Scaling', () => {
  it('is one page of groups a Region, whatever the number of instances, and nothing for Lightsail alone', async () => {
    const { world } = await enrolledFleet(3);
    const asked = () =>
      callsOfHandlers(world)
        .map(nameOf)
        .filter((name) => name.startsWith('autoscaling.'));
    world.calls.length = 0;
    await sweep(world);
    expect(asked()).toEqual(['autoscaling.DescribeAutoScalingGroups']);
    world.calls.length = 0;
    await sweep(world, { profile: 'lightsail' });
    expect(asked()).toEqual([]);
  });

  it('starts executions whose input names the instance and nothing else', async () => {
    const { world, instances } = await enrolledFleet(1);
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.clock.advance(60_000);
    world.calls.length = 0;
    await sweep(world);
    const inputs = callsOfHandlers(world)
      .filter((call) => nameOf(call) === 'states.StartExecution')
      .map(({ input }) => JSON.parse((input as { input: string }).input));
    expect(inputs).toEqual([{ instanceId: instances[0] }]);
  });
});
