import { describe, expect, it } from 'vitest';
import { ESTATE } from '../../local/estate.ts';
import { claim } from '../../services/ledger.ts';
import { TaskFailure } from '../../world/states/task-failure.ts';
import type { Operation } from '../../world/wire/service.ts';
import { sampled } from '../support/size.ts';
import {
  associations,
  callsOfHandlers,
  changes,
  definitionOf,
  finalState,
  killOnce,
  launchActions,
  ledgerOfInstances,
  outcomes,
  type Played,
  playWorld,
  registrations,
  START,
  startByHand,
  untilEnded,
} from '../support/world.ts';

const BY_THE_TEST = { requestId: 'by-the-test' };
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** One instance of the group, enrolled and in service. */
async function playEnrolled(
  group: 'web' | 'database' | 'batch-nightly' = 'web',
  options: Parameters<typeof playWorld>[0] = {},
) {
  const world = await playWorld(options);
  const [instance = ''] = world.autoScaling.launch(group, 1);
  await world.clock.advance(10 * MINUTE);
  expect(associations(world)).toHaveLength(1);
  return { world, instance };
}

function retireByHand(world: Played, input: unknown): void {
  world.machines.start({ stateMachineArn: world.retireNodeArn, input: JSON.stringify(input) });
}

function retirements(world: Played) {
  return world.machines.executions(world.retireNodeArn);
}

describe('a termination', () => {
  it('takes the node from its server and its stack, and completes its hook first', async () => {
    const { world, instance } = await playEnrolled();
    world.autoScaling.setDesiredCapacity('web', 0);
    await untilEnded(world, 3);
    await world.clock.advance(10 * MINUTE);
    const ends = world.machines.executions().map(({ stateName }) => stateName);
    expect(ends).toEqual(['Enrolled', 'Retired', 'NothingToRetire']);
    expect([associations(world), registrations(world)]).toEqual([[], []]);
    expect(world.ec2.instance(instance)?.state).toBe('terminated');
    expect(await world.ledger()).toMatchObject([{ instance, status: 'retired', expiresAt: expect.any(Number) }]);
    expect(launchActions(world).map(({ hook, result, resolvedBy }) => [hook, result, resolvedBy])).toEqual([
      ['muster-launch', 'CONTINUE', 'caller'],
      ['muster-terminate', 'CONTINUE', 'caller'],
    ]);
    expect(changes(world).filter((change) => /Complete|Disassociate|Deregister/.test(change))).toEqual([
      'autoscaling.CompleteLifecycleAction',
      'autoscaling.CompleteLifecycleAction',
      'opsworks-cm.DisassociateNode',
      'opsworks.DeregisterInstance',
    ]);
    expect(outcomes(world).at(-1)).toMatchObject({
      detailType: 'Instance Retired',
      detail: { instance, server: 'ChefServer' },
    });
  });

  it('in the middle of an enrolment stops it', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(MINUTE);
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(15 * MINUTE);
    const [enrolment, ...others] = world.machines.executions();
    expect(enrolment).toMatchObject({ status: 'ABORTED', outcome: { error: 'InstanceGone' } });
    expect(enrolment?.outcome.cause).toContain(`${instance} is being retired by`);
    expect(others.map(({ status }) => status)).toEqual(['SUCCEEDED', 'SUCCEEDED']);
    expect([associations(world), registrations(world)]).toEqual([[], []]);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'retired' }]);
  });

  it('that no hook of ours saw retires the node as well', async () => {
    const { world, instance } = await playEnrolled('batch-nightly');
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(10 * MINUTE);
    expect(associations(world)).toEqual([]);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'retired' }]);
  });

  it('of a Lightsail instance ends its record', async () => {
    const world = await playWorld();
    const what = { availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' };
    void world.lightsail.createInstances({ instanceNames: ['blog'], ...what }, { requestId: 'by-the-test' });
    await untilEnded(world, 1);
    void world.lightsail.deleteInstance({ instanceName: 'blog' }, { requestId: 'by-the-test' });
    await untilEnded(world, 2);
    expect(await world.ledger()).toMatchObject([{ instance: 'lightsail/eu-west-1/blog', status: 'retired' }]);
    expect(outcomes(world).map(({ detailType }) => detailType)).toEqual(['Instance Enrolled', 'Instance Retired']);
  });

  it('that is heard of when a Lightsail name is given again does not keep the new instance from being hardened', async () => {
    const world = await playWorld();
    const create = () => {
      const what = { availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' };
      void world.lightsail.createInstances({ instanceNames: ['blog'], ...what }, { requestId: 'by-the-test' });
    };
    create();
    await untilEnded(world, 1);
    const heardBefore = world.events.length;
    world.lambda.interceptor = async () => null;
    void world.lightsail.deleteInstance({ instanceName: 'blog' }, { requestId: 'by-the-test' });
    await world.clock.advance(MINUTE);
    create();
    await world.clock.advance(MINUTE);
    world.lambda.interceptor = (_invocation, next) => next();
    for (const event of world.events.slice(heardBefore)) {
      world.bus.deliver(event);
      await world.clock.advance(MINUTE);
    }
    expect(world.lightsail.instance('blog')?.metadataOptions.httpTokens).toBe('required');
    expect(await world.ledger()).toMatchObject([{ instance: 'lightsail/eu-west-1/blog', status: 'enrolled' }]);
  });

  it('of a Lightsail instance leaves nothing of it to another that is given its name', async () => {
    const world = await playWorld();
    const what = { availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' };
    const create = () => void world.lightsail.createInstances({ instanceNames: ['blog'], ...what }, BY_THE_TEST);
    const optionsBefore = async () => (await world.ledger()).map(({ metadataBefore }) => metadataBefore);
    const change = world.lightsail.service.operations.UpdateInstanceMetadataOptions as Operation<object, unknown>;
    world.lambda.interceptor = async () => null;
    create();
    await world.clock.advance(MINUTE);
    await change({ instanceName: 'blog', httpTokens: 'optional', httpPutResponseHopLimit: 3 }, BY_THE_TEST);
    await world.clock.advance(MINUTE);
    world.lambda.interceptor = (_invocation, next) => next();
    startByHand(world, { lightsailInstanceName: 'blog' });
    await untilEnded(world, 1);
    expect(await optionsBefore()).toMatchObject([{ httpPutResponseHopLimit: 3 }]);
    void world.lightsail.deleteInstance({ instanceName: 'blog' }, BY_THE_TEST);
    await untilEnded(world, 2);
    await world.clock.advance(MINUTE);
    create();
    await untilEnded(world, 3);
    expect(await optionsBefore()).toMatchObject([{ httpPutResponseHopLimit: 1 }]);
  });

  it('of an instance that was never enrolled completes its hook, and is green', async () => {
    const world = await playWorld();
    world.lambda.interceptor = async () => null;
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(MINUTE);
    world.lambda.interceptor = (_invocation, next) => next();
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(10 * MINUTE);
    expect(retirements(world).map(({ status }) => status)).toEqual(['SUCCEEDED', 'SUCCEEDED']);
    expect(launchActions(world).at(-1)).toMatchObject({
      hook: 'muster-terminate',
      result: 'CONTINUE',
      resolvedBy: 'caller',
    });
    expect(changes(world).filter((change) => change.startsWith('opsworks'))).toEqual([]);
    expect(outcomes(world)).toEqual([]);
  });

  it("under another team's hook leaves that hook alone, and retires when the instance is gone", async () => {
    const theirs = {
      AutoScalingGroupName: 'web',
      LifecycleHookName: 'logs-upload',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING' as const,
      DefaultResult: 'CONTINUE' as const,
    };
    const { world, instance } = await playEnrolled('web', { estate: { ...ESTATE, hooks: [...ESTATE.hooks, theirs] } });
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(10 * MINUTE);
    const hooks = launchActions(world).slice(1);
    expect(hooks).toContainEqual(expect.objectContaining({ hook: 'logs-upload', result: undefined }));
    expect(hooks).toContainEqual(expect.objectContaining({ hook: 'muster-terminate', result: 'CONTINUE' }));
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('Terminating:Wait');
  });
});

describe('a server that takes no orders when an instance goes', () => {
  it('(in maintenance) delays the retirement, and not the instance', async () => {
    const { world, instance } = await playEnrolled();
    world.opsWorksCm.maintenance('ChefServer', 2 * 3600);
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(5 * MINUTE);
    expect(world.ec2.instance(instance)?.state).toBe('terminated');
    expect(associations(world)).toHaveLength(1);
    await world.clock.advance(3 * HOUR);
    expect([associations(world), registrations(world)]).toEqual([[], []]);
    expect(outcomes(world).map(({ detailType }) => detailType)).toEqual(['Instance Enrolled', 'Instance Retired']);
  });

  it('(FAILED) ends red and says what is left; started again by hand, it is retired', async () => {
    const { world, instance } = await playEnrolled();
    world.opsWorksCm.setStatus('ChefServer', 'FAILED');
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(10 * MINUTE);
    expect(world.ec2.instance(instance)?.state).toBe('terminated');
    const failed = retirements(world).find(({ status }) => status === 'FAILED');
    expect(failed).toMatchObject({ stateName: 'RetirementFailed', outcome: { error: 'ServerNotFound' } });
    expect(failed?.outcome.cause).toBe(
      `${instance} was not retired: The server ChefServer is FAILED and will take no node: restore or replace it. ` +
        `Still there: the node ${instance} on the server ChefServer. ` +
        'Fix the cause, then start retire-node again.',
    );
    expect(await world.ledger()).toMatchObject([{ status: 'retiring', lastError: failed?.outcome.cause }]);
    expect(outcomes(world).at(-1)).toMatchObject({
      detailType: 'Instance Retirement Failed',
      detail: { instance, error: 'ServerNotFound', cause: failed?.outcome.cause },
    });

    world.opsWorksCm.setStatus('ChefServer', 'HEALTHY');
    retireByHand(world, { instanceId: instance });
    await world.clock.advance(10 * MINUTE);
    expect([associations(world), registrations(world)]).toEqual([[], []]);
    const [item] = await world.ledger();
    expect(item).toMatchObject({ status: 'retired' });
    expect(item).not.toHaveProperty('lastError');
  });
});

describe('a retirement by hand', () => {
  it.each([
    [
      'an unknown instance',
      { instanceId: 'i-0123456789abcdef0' },
      'Neither EC2 nor the ledger knows i-0123456789abcdef0 in eu-west-1.',
    ],
    [
      'an unknown instance that is confirmed',
      { instanceId: 'i-0123456789abcdef0', confirm: true },
      'Correct instanceId',
    ],
    [
      'an unknown Lightsail instance',
      { lightsailInstanceName: 'nobody' },
      'Neither Lightsail nor the ledger knows nobody in eu-west-1.',
    ],
    ['a wrong type', { instanceId: 5 }, 'instanceId must be'],
    ['a text', 'i-0123456789abcdef0', 'must be an object'],
    ['a list', [], 'must be an object'],
    ['null', null, 'must be an object'],
    ['nothing', {}, 'No instance is named'],
    ['a typo', { instnceId: 'i-0123456789abcdef0' }, 'Did you mean "instanceId"?'],
    ['confirm as a text', { instanceId: 'i-0123456789abcdef0', confirm: 'yes' }, 'confirm must be'],
  ])('of %s gets a sentence, and changes nothing', async (_what, input, sentence) => {
    const { world } = await playEnrolled();
    const [before, changesBefore] = [await finalState(world), changes(world).length];
    retireByHand(world, input);
    await world.clock.advance(MINUTE);
    const [retirement] = retirements(world);
    expect(retirement).toMatchObject({ status: 'FAILED', outcome: { error: 'InvalidRequest' } });
    expect(retirement?.outcome.cause).toContain(sentence);
    expect(retirement?.outcome.cause).not.toMatch(/errorType|trace/);
    expect(changes(world).slice(changesBefore)).toEqual([]);
    expect(await finalState(world)).toEqual(before);
  });

  it('of an instance that runs needs to be confirmed', async () => {
    const { world, instance } = await playEnrolled();
    retireByHand(world, { instanceId: instance });
    await world.clock.advance(MINUTE);
    expect(retirements(world)[0]?.outcome.cause).toContain(
      `${instance} is running: retiring it would remove it from its servers. Add "confirm": true if you want that.`,
    );
    expect(associations(world)).toHaveLength(1);
    expect(await world.ledger()).toMatchObject([{ status: 'enrolled' }]);

    retireByHand(world, { instanceId: instance, confirm: true });
    await world.clock.advance(10 * MINUTE);
    expect([associations(world), registrations(world)]).toEqual([[], []]);
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('InService');
  });

  it('does not keep the instance from being enrolled by hand again', async () => {
    const { world, instance } = await playEnrolled();
    const [{ publicKeyFingerprint } = {}] = await world.ledger();
    retireByHand(world, { instanceId: instance, confirm: true });
    await world.clock.advance(10 * MINUTE);
    startByHand(world, { instanceId: instance });
    await world.clock.advance(10 * MINUTE);
    expect(associations(world)).toMatchObject([{ nodeName: instance }]);
    expect(registrations(world)).toMatchObject([{ ec2InstanceId: instance, status: 'online' }]);
    const [item] = await world.ledger();
    expect(item).toMatchObject({ status: 'enrolled', publicKeyFingerprint });
    expect(item).not.toHaveProperty('expiresAt');

    world.autoScaling.terminate(instance, true);
    await world.clock.advance(10 * MINUTE);
    expect([associations(world), registrations(world)]).toEqual([[], []]);
    expect(await world.ledger()).toMatchObject([{ status: 'retired' }]);
  });

  it('lets an instance go that waits in our termination hook', async () => {
    const { world, instance } = await playEnrolled();
    world.lambda.interceptor = async () => null;
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(MINUTE);
    world.lambda.interceptor = (_invocation, next) => next();
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('Terminating:Wait');
    retireByHand(world, { instanceId: instance, confirm: true });
    await world.clock.advance(10 * MINUTE);
    expect(world.ec2.instance(instance)?.state).toBe('terminated');
    expect(await world.ledger()).toMatchObject([{ status: 'retired' }]);
  });
});

describe('a warm pool that takes its instances back', () => {
  const WarmPool = { MinSize: 0, PoolState: 'Stopped', ReuseOnScaleIn: true } as const;
  const [web, ...others] = ESTATE.groups;
  const estate = { ...ESTATE, groups: [{ AutoScalingGroupName: 'web', ...web, WarmPool }, ...others] };

  it('is no retirement: our termination hook is completed, and the node stays enrolled', async () => {
    const { world, instance } = await playEnrolled('web', { estate });
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.clock.advance(10 * MINUTE);
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('Warmed:Stopped');
    expect(launchActions(world).at(-1)).toMatchObject({
      hook: 'muster-terminate',
      result: 'CONTINUE',
      resolvedBy: 'caller',
    });
    expect(retirements(world).map(({ stateName }) => stateName)).toEqual(['NothingToRetire']);
    expect(associations(world)).toHaveLength(1);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'enrolled' }]);

    // It comes back under a second token, and is let through at once.
    world.autoScaling.setDesiredCapacity('web', 1);
    await world.clock.advance(10 * MINUTE);
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('InService');
    expect(changes(world).filter((change) => /RegisterInstance$|\.AssociateNode/.test(change))).toHaveLength(2);
    expect(associations(world)).toMatchObject([{ times: 1 }]);
  });
});

describe('an enrolment that a retirement interrupted', () => {
  it('is forgotten when the instance is enrolled again: a later retirement stops nothing of it', async () => {
    await playWorld();
    const { signal } = new AbortController();
    const instance = 'i-0123456789abcdef0';
    const next = { instance, execution: 'one', claimedAt: START.toISOString() };
    const retiring = await claim(undefined, { ...next, status: 'retiring', interruptedExecution: 'zero' }, signal);
    expect(retiring.interruptedExecution).toBe('zero');
    const enrolling = await claim(retiring, { ...next, status: 'enrolling', execution: 'two' }, signal);
    expect(enrolling).not.toHaveProperty('interruptedExecution');
  });
});

describe('a task of a retirement that is killed after its API call, and run again', () => {
  const tasks = Object.entries(definitionOf('retire-node'))
    .filter(([, { Type }]) => Type === 'Task')
    .map(([state, { Resource = '' }]): [string, string] => [state, Resource.split(':').at(-1) ?? '']);

  async function playRetirement(disturb: (world: Played) => void = () => {}) {
    const world = await playWorld();
    world.autoScaling.launch('web', 1);
    await world.clock.advance(5 * MINUTE);
    // The second is interrupted in the middle of its enrolment.
    world.autoScaling.launch('web', 1);
    await world.clock.advance(MINUTE);
    disturb(world);
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.clock.advance(30 * MINUTE);
    return { world, state: await finalState(world) };
  }

  it.each(
    sampled(
      tasks.filter(([state]) => state !== 'ReportRemains'),
      3,
    ),
  )('%s: ends in the same final state', async (state, name) => {
    const undisturbed = await playRetirement();
    expect(undisturbed.state).toMatchObject({ associations: [], registrations: [], lifecycles: [] });
    let kill = { happened: false };
    const { world, state: final } = await playRetirement((played) => {
      kill = killOnce(played, name);
    });
    expect(kill.happened, `${state} was killed`).toBe(true);
    expect(final).toEqual(undisturbed.state);
    expect(retirements(world).filter(({ status }) => status !== 'SUCCEEDED')).toEqual([]);
  });

  it('start-retirement: starts nothing twice', async () => {
    const undisturbed = await playRetirement();
    const { world, state } = await playRetirement((played) => killOnce(played, 'muster-dev-start-retirement'));
    expect(state).toEqual(undisturbed.state);
    expect(retirements(world)).toHaveLength(retirements(undisturbed.world).length);
  });

  it('ReportRemains: reports the same', async () => {
    const { world, instance } = await playEnrolled();
    world.opsWorksCm.setStatus('ChefServer', 'FAILED');
    const kill = killOnce(world, 'muster-dev-report-remains');
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(10 * MINUTE);
    expect(kill.happened).toBe(true);
    const failed = retirements(world).find(({ status }) => status === 'FAILED');
    expect(failed?.outcome.cause).toContain('Still there: the node');
    expect(await world.ledger()).toMatchObject([{ status: 'retiring', lastError: failed?.outcome.cause }]);
  });
});

describe('the ledger', () => {
  it('gives the claim of an execution that no longer runs to the next', async () => {
    const world = await playWorld();
    world.opsWorksCm.setStatus('ChefServer', 'UNDER_MAINTENANCE');
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(20 * MINUTE);
    const [first] = world.machines.executions();
    world.machines.stop(first?.arn ?? '');
    expect(await world.ledger()).toMatchObject([{ status: 'enrolling', execution: first?.arn, generation: 1 }]);
    world.opsWorksCm.setStatus('ChefServer', 'HEALTHY');
    startByHand(world, { instanceId: instance });
    await world.clock.advance(10 * MINUTE);
    expect(await world.ledger()).toMatchObject([{ status: 'enrolled', generation: 2 }]);
    expect(registrations(world)).toHaveLength(1);
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('InService');
  });

  it('refuses the late writes of an execution whose instance somebody else has taken', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    let late: Promise<unknown> | undefined;
    world.lambda.interceptor = async ({ functionName, payload }, next) => {
      if (!functionName.endsWith('-dev-associate-node') || late) return next();
      late = world.clock.sleep(10 * MINUTE).then(() => world.lambda.invoke(functionName, payload));
      late.catch(() => {});
      throw new TaskFailure('Sandbox.Timedout', 'The function was killed.');
    };
    await world.clock.advance(4 * MINUTE);
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(5 * MINUTE);
    expect(await world.ledger()).toMatchObject([{ status: 'retired' }]);
    const callsBefore = callsOfHandlers(world).length;
    await world.clock.advance(10 * MINUTE);
    await expect(late).rejects.toMatchObject({ error: 'ClaimedElsewhere' });
    expect(
      callsOfHandlers(world)
        .slice(callsBefore)
        .map(({ operation }) => operation),
    ).toEqual(['UpdateItem']);
    expect(await world.ledger()).toMatchObject([{ status: 'retired' }]);
  });

  it('is not confused by a run of a task that was given up, and goes on all the same', async () => {
    const { world, instance } = await playEnrolled();
    let isDelayed = false;
    world.lambda.interceptor = async ({ functionName }, next) => {
      // Longer than the function may run: the next run is done when this one reads what it is about to claim.
      if (!isDelayed && functionName.endsWith('find-enrolment'))
        world.faults.set([
          { service: 'dynamodb', operation: 'GetItem', delaySeconds: 40, drop: true, after: true, times: 1 },
        ]);
      isDelayed ||= functionName.endsWith('find-enrolment');
      return next();
    };
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(10 * MINUTE);
    expect(isDelayed).toBe(true);
    expect(retirements(world).map(({ status }) => status)).toEqual(['SUCCEEDED', 'SUCCEEDED']);
    expect(await world.ledger()).toMatchObject([{ status: 'retired' }]);
  });

  it('keeps the metadata options from before our first change, however often an instance is enrolled', async () => {
    const { world, instance } = await playEnrolled();
    const [{ metadataBefore } = {}] = await world.ledger();
    expect(metadataBefore).toMatchObject({ httpTokens: 'optional' });
    retireByHand(world, { instanceId: instance, confirm: true });
    await world.clock.advance(10 * MINUTE);
    startByHand(world, { instanceId: instance });
    await world.clock.advance(10 * MINUTE);
    expect(await world.ledger()).toMatchObject([{ status: 'enrolled', metadataBefore }]);
  });

  it('forgets retired instances after ninety days, and no others', async () => {
    const { world, instance } = await playEnrolled();
    expect((await ledgerOfInstances(world))[0]).not.toHaveProperty('expiresAt');
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(10 * MINUTE);
    const [item] = await ledgerOfInstances(world);
    const endedSeconds = Math.floor(Date.parse(String(item?.endedAt)) / 1000);
    expect(item?.expiresAt).toBe(endedSeconds + 90 * 24 * 3600);
  });
});
