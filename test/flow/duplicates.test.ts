import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ESTATE } from '../../local/estate.ts';
import { readProfiles } from '../../profiles/file.ts';
import type { AwsEvent } from '../../world/eventbridge/aws-event.ts';
import { sampled, sized } from '../support/size.ts';
import {
  associations,
  changes,
  enrolments,
  finalState,
  launchActions,
  type Played,
  playWorld,
  registrations,
  startByHand,
  untilEnded,
  untilOneEnded,
} from '../support/world.ts';

const MINUTE = 60_000;

/** One registration, one association, one completion: whatever else happened. */
function expectEnrolledOnce(world: Played, instance: string): void {
  const times = (change: string) => changes(world).filter((one) => one === change).length;
  expect(registrations(world).map(({ ec2InstanceId }) => ec2InstanceId)).toEqual([instance]);
  expect(associations(world)).toEqual([{ serverName: 'ChefServer', nodeName: instance, times: 1 }]);
  expect(times('opsworks.RegisterInstance')).toBe(1);
  expect(times('opsworks-cm.AssociateNode')).toBe(1);
  expect(times('autoscaling.CompleteLifecycleAction')).toBe(1);
  expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
}

function redeliver(world: Played, detailType: string): void {
  for (const event of world.events.filter((one) => one['detail-type'] === detailType)) world.bus.deliver(event);
}

describe('an event that comes twice', () => {
  it('at the same moment starts one enrolment', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(3000);
    redeliver(world, 'EC2 Instance-launch Lifecycle Action');
    expect(await untilEnded(world, 1)).toHaveLength(1);
    expectEnrolledOnce(world, instance);
  });

  it('after the enrolment has ended changes nothing', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await untilOneEnded(world);
    await world.clock.advance(5 * MINUTE);
    const before = await finalState(world);
    redeliver(world, 'EC2 Instance-launch Lifecycle Action');
    redeliver(world, 'EC2 Instance Launch Successful');
    expect(await finalState(world)).toEqual(before);
    expectEnrolledOnce(world, instance);
  });
});

describe('several causes for one enrolment', () => {
  it('the hook event beside Launch Successful', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await untilOneEnded(world);
    await world.clock.advance(5 * MINUTE);
    expect(enrolments(world).map(({ outcome }) => outcome)).toEqual(['enrolled']);
    const ignored = world.logs.filter(({ message }) => message === 'Ignored').map(({ reason }) => reason);
    expect(ignored).toEqual([`${instance} was launched by the group web, whose profile enrols in a hook.`]);
    expectEnrolledOnce(world, instance);
  });

  it('the hook event beside Launch Successful, where it takes the tags to tell that a profile has a hook', async () => {
    const [web] = readProfiles('profiles.yml');
    if (!web) throw new Error('profiles.yml has no profile.');
    const { lifecycleHook: _, terminationHook: __, register: ___, ...rest } = web;
    const profiles = [
      { ...web, match: { tags: { role: 'web' } } },
      { ...rest, name: 'rest', match: { autoScalingGroup: '*' } },
    ];
    const Tags = [{ Key: 'role', Value: 'web', PropagateAtLaunch: true }];
    const world = await playWorld({
      profiles,
      estate: {
        ...ESTATE,
        groups: [{ AutoScalingGroupName: 'web', MaxSize: 1, Tags }],
        hooks: ESTATE.hooks.slice(0, 1),
      },
    });
    const [instance = ''] = world.autoScaling.launch('web', 1);
    expect(await untilEnded(world, 2)).toMatchObject([
      { outcome: 'enrolled', profile: 'web' },
      { outcome: 'ignored', cause: `The profile web enrols ${instance} in its hook muster-launch.` },
    ]);
    expectEnrolledOnce(world, instance);
  });

  it.each(sampled([1, 8, 20, 40, 70, 100], 2))(
    'a person beside the event, %i seconds into the launch',
    async (seconds) => {
      const world = await playWorld();
      const [instance = ''] = world.autoScaling.launch('web', 1);
      await world.clock.advance(seconds * 1000);
      startByHand(world, { instanceId: instance });
      expect((await untilEnded(world, 2)).map(({ outcome }) => outcome)).toEqual(['enrolled', 'enrolled']);
      expectEnrolledOnceOrSeenOver(world, instance);
    },
  );

  it('two persons in the same moment, before any event', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('batch-nightly', 1);
    startByHand(world, { instanceId: instance });
    startByHand(world, { instanceId: instance });
    expect((await untilEnded(world, 3)).map(({ outcome }) => outcome)).toEqual(['enrolled', 'enrolled', 'enrolled']);
    expect(associations(world)).toEqual([{ serverName: 'ChefServer', nodeName: instance, times: 1 }]);
  });
});

/** Whoever comes second finds the launch completed already, and may ask the service to hear so. */
function expectEnrolledOnceOrSeenOver(world: Played, instance: string): void {
  expect(registrations(world).map(({ ec2InstanceId }) => ec2InstanceId)).toEqual([instance]);
  expect(associations(world)).toEqual([{ serverName: 'ChefServer', nodeName: instance, times: 1 }]);
  expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
}

describe('a warm pool', () => {
  const [web, ...others] = ESTATE.groups;
  const WarmPool = { MinSize: 1, PoolState: 'Stopped', ReuseOnScaleIn: false } as const;
  const estate = { ...ESTATE, groups: [{ AutoScalingGroupName: 'web', ...web, WarmPool }, ...others] };

  it('enrols once, and lets the instance through its second launch with the second token', async () => {
    const world = await playWorld({ estate });
    const first = await untilOneEnded(world);
    expect(first).toMatchObject({ outcome: 'enrolled', profile: 'web' });
    await world.clock.advance(5 * MINUTE);
    expect(world.autoScaling.members.get(first.instance)?.lifecycleState).toBe('Warmed:Stopped');
    const changesBefore = changes(world).length;

    expect(world.autoScaling.launch('web', 1)).toContain(first.instance);
    await world.clock.advance(5 * MINUTE);
    expect(world.autoScaling.members.get(first.instance)?.lifecycleState).toBe('InService');
    const ofInstance = enrolments(world).filter(({ instance, outcome }) => {
      return instance === first.instance && outcome === 'enrolled';
    });
    expect(ofInstance).toHaveLength(2);
    const actions = launchActions(world).filter(({ instanceId }) => instanceId === first.instance);
    expect(actions).toMatchObject([
      { result: 'CONTINUE', resolvedBy: 'caller' },
      { result: 'CONTINUE', resolvedBy: 'caller' },
    ]);
    const since = world.calls.filter(({ input }) => JSON.stringify(input ?? '').includes(first.instance));
    expect(since.filter(({ operation }) => operation === 'RegisterInstance')).toHaveLength(1);
    expect(since.filter(({ operation }) => operation === 'AssociateNode')).toHaveLength(1);
    expect(changes(world).length).toBeGreaterThan(changesBefore);
  });
});

describe('any order and repetition of the events of a launch', () => {
  it('leads to the same final state', async () => {
    const reference = await playWorld();
    reference.autoScaling.launch('web', 1);
    reference.autoScaling.launch('database', 1);
    await untilEnded(reference, 2);
    const expected = await finalState(reference);

    const deliveries = fc.array(
      fc.record({ event: fc.nat({ max: 3 }), afterSeconds: fc.integer({ min: 0, max: 200 }) }),
      { minLength: 1, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(deliveries, async (again) => {
        const world = await playWorld();
        world.autoScaling.launch('web', 1);
        world.autoScaling.launch('database', 1);
        for (const { event, afterSeconds } of again)
          world.clock.at(world.clock.now() + afterSeconds * 1000, () => {
            // An event that has not happened yet cannot come: its number then means one that has.
            const known = world.events.filter(isOfLaunch);
            const chosen = known[event % Math.max(known.length, 1)];
            if (chosen) world.bus.deliver(chosen);
          });
        await world.clock.advance(15 * MINUTE);
        expect(await finalState(world)).toEqual(expected);
      }),
      { numRuns: sized({ small: 3, full: 8 }), seed: 7 },
    );
  });
});

function isOfLaunch(event: AwsEvent): boolean {
  return event['detail-type'].startsWith('EC2 Instance');
}
