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
