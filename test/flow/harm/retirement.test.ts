import { describe, expect, it } from 'vitest';
import { ESTATE } from '../../../local/estate.ts';
import type { AwsEvent } from '../../../world/eventbridge/aws-event.ts';
import { sample } from '../../support/samples.ts';
import { associations, launchActions, type Played, playWorld, statesOf, untilEnded } from '../../support/world.ts';

const BY_THE_TEST = { requestId: 'by-the-test' };
const MINUTE = 60_000;
const BLOG = {
  instanceNames: ['blog'],
  ...{ availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' },
};

/** One instance of the group, enrolled and in service. */
async function playEnrolled(options: Parameters<typeof playWorld>[0] = {}) {
  const world = await playWorld(options);
  const [instance = ''] = world.autoScaling.launch('web', 1);
  await world.clock.advance(10 * MINUTE);
  expect(associations(world)).toHaveLength(1);
  return { world, instance };
}

async function playBlog() {
  const world = await playWorld();
  void world.lightsail.createInstances(BLOG, BY_THE_TEST);
  await untilEnded(world, 1);
  return world;
}

/** The sample as it would arrive now, with some of its detail changed. */
function deliver(world: Played, name: string, detail: object, envelope: object = {}): void {
  const event = sample(name);
  const time = new Date(world.clock.now()).toISOString();
  world.bus.deliver({
    ...event,
    time,
    ...envelope,
    detail: { ...(event.detail as object), ...detail },
  } as unknown as AwsEvent);
}

function deleteBlog(world: Played, envelope: object = {}): void {
  deliver(world, 'lightsail-delete-instance', { requestParameters: { instanceName: 'blog' } }, envelope);
}

function retirements(world: Played) {
  return world.machines.executions(world.retireNodeArn);
}

async function statusOf(world: Played, instance: string) {
  return (await world.ledger()).find((item) => item.instance === instance)?.status;
}

describe('an event of another account', () => {
  it('retires no Lightsail instance that has the name of one of ours', async () => {
    const world = await playBlog();
    deleteBlog(world, { account: '999999999999' });
    await world.clock.advance(60 * MINUTE);
    expect(retirements(world)).toEqual([]);
    expect(await statusOf(world, 'lightsail/eu-west-1/blog')).toBe('enrolled');
  });

  it('is ignored by the function as well, where a rule lets it through', async () => {
    const world = await playBlog();
    const event = { ...sample('lightsail-create-instances'), account: '999999999999' };
    for (const name of ['start-retirement', 'start-enrolment'])
      expect(await world.lambda.invoke(`muster-dev-${name}`, event)).toMatchObject({
        outcome: 'ignored',
        reason: 'It is an event of the account 999999999999, not of 123456789012.',
      });
  });
});

describe('an event that says that an instance has ended, while its service shows it running,', () => {
  it('retires no Lightsail instance, and ends green after half an hour', async () => {
    const world = await playBlog();
    deleteBlog(world);
    await world.clock.advance(29 * MINUTE);
    expect(retirements(world).map(({ status }) => status)).toEqual(['RUNNING']);
    await world.clock.advance(15 * MINUTE);
    expect(retirements(world).map(({ stateName }) => stateName)).toEqual(['NothingToRetire']);
    expect(await statusOf(world, 'lightsail/eu-west-1/blog')).toBe('enrolled');
  });

  it.each(['ec2-terminate-successful', 'ec2-terminate-lifecycle-action'])(
    '(%s) retires no EC2 instance, and completes no hook',
    async (name) => {
      const { world, instance } = await playEnrolled();
      deliver(world, name, { EC2InstanceId: instance });
      await world.clock.advance(60 * MINUTE);
      expect(retirements(world).map(({ stateName }) => stateName)).toEqual(['NothingToRetire']);
      expect(associations(world)).toHaveLength(1);
      expect(await statusOf(world, instance)).toBe('enrolled');
      expect(launchActions(world)).toHaveLength(1);
    },
  );

  it('retires it once its service stops showing it', async () => {
    const world = await playBlog();
    deleteBlog(world);
    await world.clock.advance(10 * MINUTE);
    world.lambda.interceptor = ({ functionName }, next) =>
      functionName.endsWith('start-retirement') ? Promise.resolve(null) : next();
    void world.lightsail.deleteInstance({ instanceName: 'blog' }, BY_THE_TEST);
    await world.clock.advance(15 * MINUTE);
    expect(retirements(world).map(({ stateName }) => stateName)).toEqual(['Retired']);
    expect(await statusOf(world, 'lightsail/eu-west-1/blog')).toBe('retired');
  });
});

describe('what a person types into a retirement', () => {
  const trigger = {
    detailType: 'EC2 Instance-terminate Lifecycle Action',
    eventId: 'x',
    eventTime: '2099-01-01T00:00:00Z',
  };
  const lifecycleAction = {
    ...{ autoScalingGroupName: 'web', lifecycleHookName: 'muster-terminate', destination: 'EC2' },
    lifecycleActionToken: '87654321-4321-4321-4321-210987654321',
  };

  it.each([
    ['an event', { trigger, lifecycleAction }, 'Add "confirm": true if you want that.'],
    ['a hook', { lifecycleAction }, 'Unknown field "lifecycleAction".'],
  ])('proves nothing: %s', async (_what, typed, sentence) => {
    const { world, instance } = await playEnrolled();
    const input = JSON.stringify({ instanceId: instance, ...typed });
    const { arn } = world.machines.start({ stateMachineArn: world.retireNodeArn, input });
    await world.clock.advance(60 * MINUTE);
    expect(world.machines.execution(arn)?.outcome).toMatchObject({
      error: 'InvalidRequest',
      cause: expect.stringContaining(sentence),
    });
    expect(await statusOf(world, instance)).toBe('enrolled');
  });
});

describe('an instance that its service does not find', () => {
  it('once, is not retired', async () => {
    const { world, instance } = await playEnrolled();
    world.faults.set([
      { service: 'ec2', operation: 'DescribeInstances', error: 'InvalidInstanceID.NotFound', times: 1 },
    ]);
    deliver(world, 'ec2-terminate-successful', { EC2InstanceId: instance });
    await world.clock.advance(60 * MINUTE);
    const [retirement] = retirements(world);
    expect(retirement && statesOf(retirement).filter((state) => state === 'WaitForEnd').length).toBeGreaterThan(1);
    expect(await statusOf(world, instance)).toBe('enrolled');
  });

  it('in two looks that are five minutes apart, is not retired while its group has it in service', async () => {
    const { world, instance } = await playEnrolled();
    world.faults.set([{ service: 'ec2', operation: 'DescribeInstances', error: 'InvalidInstanceID.NotFound' }]);
    deliver(world, 'ec2-terminate-successful', { EC2InstanceId: instance });
    await world.clock.advance(60 * MINUTE);
    expect(retirements(world).map(({ stateName }) => stateName)).toEqual(['NothingToRetire']);
    expect(await statusOf(world, instance)).toBe('enrolled');
  });

  it('in two looks that are five minutes apart, is retired', async () => {
    const { world, instance } = await playEnrolled();
    world.autoScaling.hide(instance, 3600);
    world.faults.set([{ service: 'ec2', operation: 'DescribeInstances', error: 'InvalidInstanceID.NotFound' }]);
    deliver(world, 'ec2-terminate-successful', { EC2InstanceId: instance });
    await world.clock.advance(4 * MINUTE);
    expect(await statusOf(world, instance)).toBe('enrolled');
    await world.clock.advance(10 * MINUTE);
    expect(await statusOf(world, instance)).toBe('retired');
  });
});

describe('a termination in a warm pool that takes its instances back', () => {
  const WarmPool = { MinSize: 0, PoolState: 'Stopped', ReuseOnScaleIn: true } as const;
  const [web, ...others] = ESTATE.groups;
  const estate = { ...ESTATE, groups: [{ AutoScalingGroupName: 'web', ...web, WarmPool }, ...others] };

  it('retires nothing although its event does not say where the instance goes', async () => {
    const { world, instance } = await playEnrolled({ estate });
    const invoked = world.lambda.interceptor;
    world.lambda.interceptor = async (invocation, next) => {
      const { detail } = invocation.payload as { detail?: { Destination?: string } };
      if (detail) delete detail.Destination;
      return invoked(invocation, next);
    };
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.clock.advance(60 * MINUTE);
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('Warmed:Stopped');
    expect(launchActions(world).at(-1)).toMatchObject({ hook: 'muster-terminate', resolvedBy: 'caller' });
    expect(associations(world)).toHaveLength(1);
    expect(await statusOf(world, instance)).toBe('enrolled');
  });
});

describe('a termination that is none of ours', () => {
  it.each([
    ['of a group that no profile matches', 'ec2-terminate-successful', { AutoScalingGroupName: 'billing' }],
    [
      'of such a group, under a hook that has the name of ours',
      'ec2-terminate-lifecycle-action',
      { AutoScalingGroupName: 'billing' },
    ],
  ])('(%s) costs neither an execution nor an item', async (_what, name, detail) => {
    const world = await playWorld();
    deliver(world, name, detail);
    await world.clock.advance(MINUTE);
    expect(retirements(world)).toEqual([]);
    expect(await world.ledger()).toEqual([]);
  });

  it('is answered all the same where the ledger knows the instance, whatever the profiles have become', async () => {
    const { world, instance } = await playEnrolled();
    deliver(world, 'ec2-terminate-successful', { EC2InstanceId: instance, AutoScalingGroupName: 'billing' });
    world.ec2.terminate(instance);
    await world.clock.advance(10 * MINUTE);
    expect(await statusOf(world, instance)).toBe('retired');
  });
});
