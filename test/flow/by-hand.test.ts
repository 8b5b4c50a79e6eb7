import { describe, expect, it } from 'vitest';
import {
  changes,
  launchActions,
  type Played,
  playWorld,
  startByHand,
  untilEnded,
  untilOneEnded,
} from '../support/world.ts';

function causeOf(world: Played) {
  return world.machines.executions().at(-1)?.outcome;
}

describe('a start by hand', () => {
  it('enrols an instance that waits in its hook, and releases it', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    // The event is lost on its way.
    world.lambda.interceptor = async () => null;
    await world.clock.advance(60_000);
    world.lambda.interceptor = (_invocation, next) => next();
    expect(world.machines.executions()).toEqual([]);
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('Pending:Wait');
    startByHand(world, { instanceId: instance });
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', profile: 'web' });
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  it('releases an instance that is held after a failure, once its cause is mended', async () => {
    const world = await playWorld();
    world.opsWorksCm.setStatus('ChefServer', 'FAILED');
    const [instance = ''] = world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'failed' });
    world.opsWorksCm.setStatus('ChefServer', 'HEALTHY');
    startByHand(world, { instanceId: instance });
    const [, second] = await untilEnded(world, 2);
    expect(second).toMatchObject({ outcome: 'enrolled' });
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
    expect(changes(world).filter((change) => change === 'opsworks.RegisterInstance')).toHaveLength(1);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'enrolled' }]);
  });

  it('enrols an instance that is in service, and completes nothing', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('batch-nightly', 1);
    world.lambda.interceptor = async () => null;
    await world.clock.advance(60_000);
    world.lambda.interceptor = (_invocation, next) => next();
    startByHand(world, { instanceId: instance });
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', lifecycle: 'InService' });
    expect(changes(world)).not.toContain('autoscaling.CompleteLifecycleAction');
  });

  it('hardens a Lightsail instance', async () => {
    const world = await playWorld();
    world.lambda.interceptor = async () => null;
    void world.lightsail.createInstances(
      { instanceNames: ['blog'], availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' },
      { requestId: 'by-the-test' },
    );
    await world.clock.advance(60_000);
    world.lambda.interceptor = (_invocation, next) => next();
    startByHand(world, { lightsailInstanceName: 'blog' });
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { httpTokens: 'required' } });
  });
});

describe('a mistake by hand', () => {
  it.each([
    ['a typo', { instnceId: 'i-0123456789abcdef0' }, 'Unknown field "instnceId". Did you mean "instanceId"?'],
    ['a malformed id', { instanceId: 'i-12' }, 'instanceId must be an EC2 instance id'],
    [
      'a contradiction',
      { instanceId: 'i-0123456789abcdef0', lightsailInstanceName: 'web-1' },
      'Both instanceId (EC2) and lightsailInstanceName (Lightsail) are given',
    ],
    ['nothing', {}, 'No instance is named: add instanceId (EC2) or lightsailInstanceName (Lightsail).'],
    ['a wrong type', { instanceId: 5 }, 'instanceId must be'],
    ['a text', 'i-0123456789abcdef0', 'must be an object'],
  ])('(%s) ends red with a sentence, and no service was changed', async (_what, input, sentence) => {
    const world = await playWorld();
    startByHand(world, input);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'failed', cause: expect.stringContaining(sentence) });
    expect(causeOf(world)?.error).toBe('InvalidRequest');
    expect(causeOf(world)?.cause).not.toMatch(/[{[]\s*"|errorType|stack/);
    expect(world.calls.filter(({ service }) => service !== 'events')).toEqual([]);
    expect(await world.ledger()).toEqual([]);
  });

  it.each([
    [{ instanceId: 'i-0123456789abcdef0' }, 'check instanceId, its region and its account.'],
    [{ lightsailInstanceName: 'nobody' }, 'check lightsailInstanceName, its region and its account.'],
  ])('(an unknown instance: %o) says so as soon as a second look confirms it', async (input, sentence) => {
    const world = await playWorld();
    startByHand(world, input);
    const failed = await untilOneEnded(world);
    expect(failed).toMatchObject({ outcome: 'failed', cause: expect.stringContaining(sentence) });
    expect(failed.seconds).toBeGreaterThan(300);
    expect(changes(world)).toEqual([]);
  });

  it('about an instance that no profile matches is no failure, and changes nothing', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('analytics', 1);
    await world.clock.advance(60_000);
    startByHand(world, { instanceId: instance });
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'ignored' });
    expect(changes(world)).toEqual([]);
  });
});

describe.each(['enrolNodeArn', 'retireNodeArn', 'sweepFleetArn'] as const)('an input of %s', (machine) => {
  const nested = () => JSON.parse(`${'{"a":'.repeat(500)}1${'}'.repeat(500)}`);
  it.each<[string, unknown]>([
    ['that is large', { instanceId: 'i-0123456789abcdef0', note: 'x'.repeat(200_000) }],
    ['that is large where a name belongs', { instanceId: 'x'.repeat(200_000), profile: 7 }],
    ['that is a list', [1, 2, 3]],
    ['that is a text', 'i-0123456789abcdef0'],
    ['that is a number', 7],
    ['that is null', null],
    ['that holds a failure', { failure: { Error: 'Throttled', Cause: '' }, waiting: { pauseSeconds: 1e12 }, dry: 1 }],
    ['that is nested five hundred deep', nested()],
  ])('%s ends red with a sentence, and changes nothing', async (_what, input) => {
    const world = await playWorld();
    const { arn } = world.machines.start({ stateMachineArn: world[machine], input: JSON.stringify(input) });
    await world.clock.advance(15 * 60_000);
    const { status, outcome } = world.machines.execution(arn) ?? {};
    expect({ status, error: outcome?.error }).toEqual({ status: 'FAILED', error: 'InvalidRequest' });
    expect(outcome?.cause?.length).toBeLessThan(3000);
    expect(changes(world)).toEqual([]);
  });
});
