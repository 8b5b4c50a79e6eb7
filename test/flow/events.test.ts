import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { AwsEvent } from '../../world/eventbridge/aws-event.ts';
import { changes, type Played, playWorld, untilOneEnded } from '../support/world.ts';

function sample(name: string): AwsEvent {
  return JSON.parse(readFileSync(`events/samples/${name}.json`, 'utf8'));
}

async function deliver(world: Played, event: AwsEvent): Promise<void> {
  world.bus.deliver(event);
  await world.clock.advance(600_000);
}

describe('an event that asks for nothing', () => {
  it.each([
    'ec2-launch-lifecycle-action-other-teams-hook',
    'ec2-launch-lifecycle-action-test-notification',
    'ec2-launch-unsuccessful',
    'lightsail-create-instances-denied',
    'lightsail-reboot-instance',
  ])('%s: starts nothing and is no error', async (name) => {
    const world = await playWorld();
    await deliver(world, sample(name));
    expect(world.machines.executions()).toEqual([]);
    expect(world.lambda.deadLetters).toEqual([]);
    expect(changes(world)).toEqual([]);
    expect(world.logs.filter((line) => line.level === 'ERROR')).toEqual([]);
  });
});

describe('an event that cannot be read', () => {
  it('stands in the dead letters with its reason, after Lambda has tried three times', async () => {
    const world = await playWorld();
    const event = sample('refused/ec2-launch-lifecycle-action-without-instance');
    await deliver(world, event);
    expect(world.lambda.deadLetters).toMatchObject([{ payload: event, error: { error: 'InvalidRequest' } }]);
    expect(world.lambda.deadLetters[0]?.error.cause).toContain('EC2InstanceId is missing.');
    expect(world.logs.filter((line) => line.message === 'Failed')).toHaveLength(3);
    expect(world.machines.executions()).toEqual([]);
  });
});

describe('an event that cannot have happened', () => {
  const { region: _, ...withoutRegion } = sample('ec2-launch-successful');

  it.each<[what: string, event: object, reason: string]>([
    [
      'a Region that cannot be',
      { ...sample('ec2-launch-lifecycle-action'), region: 'nowhere' },
      'region must be a Region such as "eu-west-1", not "nowhere".',
    ],
    [
      'a Region that is a number',
      { ...sample('ec2-terminate-successful'), region: 7 },
      'region must be a Region such as "eu-west-1", not 7.',
    ],
    ['no Region', withoutRegion, 'region is missing.'],
    [
      'an empty Region',
      { ...sample('lightsail-delete-instance'), region: '' },
      'region must be a Region such as "eu-west-1", not "".',
    ],
    [
      'an account that cannot be',
      { ...sample('ec2-terminate-lifecycle-action'), account: '12' },
      'account must be an account number of 12 digits, not "12".',
    ],
    [
      'a day that is in no calendar',
      { ...sample('lightsail-create-instances'), time: '2031-02-30T07:08:09Z' },
      'time must be a time such as',
    ],
  ])('(%s) stands in the dead letters with its reason, and starts nothing', async (_what, event, reason) => {
    const world = await playWorld();
    // Past the rules, which forward a Region's events as they are.
    for (const name of ['start-enrolment', 'start-retirement'])
      void world.lambda.invokeAsync(`muster-dev-${name}`, event);
    await world.clock.advance(600_000);
    expect(world.lambda.deadLetters.map(({ error }) => error.error)).toEqual(['InvalidRequest', 'InvalidRequest']);
    for (const { error } of world.lambda.deadLetters)
      expect(JSON.parse(error.cause ?? '').errorMessage).toContain(reason);
    expect(world.machines.executions()).toEqual([]);
  });

  it('is ignored where its Region is one that no profile names', async () => {
    const world = await playWorld();
    await deliver(world, { ...sample('ec2-launch-lifecycle-action'), region: 'ap-southeast-2' });
    expect(world.lambda.deadLetters).toEqual([]);
    expect(world.machines.executions()).toEqual([]);
  });
});

describe('an instance that is gone before we reach it', () => {
  it('ends with InstanceGone, and nothing is left behind', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(5000);
    world.ec2.terminate(instance);
    const failed = await untilOneEnded(world);
    expect(failed).toMatchObject({ instance, outcome: 'failed', association: null, opsworksInstanceId: null });
    expect(world.machines.executions()[0]?.outcome.error).toBe('InstanceGone');
    expect(changes(world)).toEqual(['states.StartExecution']);
    expect((await world.ledger()).filter((item) => item.instance === instance)).toEqual([]);
  });

  it('ends with InstanceGone when its event comes so late that EC2 has forgotten it', async () => {
    const world = await playWorld();
    const event = {
      ...sample('ec2-launch-lifecycle-action'),
      time: new Date(world.clock.now() - 600_000).toISOString(),
    };
    const detail = { ...(event.detail as object), LifecycleHookName: 'muster-launch' };
    world.bus.deliver({ ...event, detail });
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'failed', association: null });
    expect(world.machines.executions()[0]?.outcome.error).toBe('InstanceGone');
    expect(changes(world)).not.toContain('autoscaling.CompleteLifecycleAction');
  });
});
