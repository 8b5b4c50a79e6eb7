import { describe, expect, it } from 'vitest';
import type { AwsEvent } from '../../../world/eventbridge/aws-event.ts';
import { sample } from '../../support/samples.ts';
import { changes, type Played, playWorld, startByHand, untilOneEnded } from '../../support/world.ts';

const DAY = 24 * 3_600_000;

/** An instance of a group without a hook, whose launch no event has told of, after so long. */
async function unnoticed(milliseconds: number): Promise<{ world: Played; instance: string }> {
  const world = await playWorld();
  world.lambda.interceptor = async () => null;
  const [instance = ''] = world.autoScaling.launch('batch-nightly', 1);
  await world.clock.advance(milliseconds);
  world.lambda.interceptor = (_invocation, next) => next();
  return { world, instance };
}

function announceLaunch(world: Played, instance: string): void {
  const event = sample('ec2-launch-successful') as unknown as AwsEvent;
  const detail = { ...event.detail, EC2InstanceId: instance, AutoScalingGroupName: 'batch-nightly' };
  world.bus.deliver({ ...event, time: new Date(world.clock.now()).toISOString(), detail });
}

describe('an instance that has run for ten days', () => {
  it('is enrolled when it is attached to its group, and keeps IMDSv1 until a sweep asks who uses it', async () => {
    const { world, instance } = await unnoticed(10 * DAY);
    announceLaunch(world, instance);
    expect(await untilOneEnded(world)).toMatchObject({
      instance,
      outcome: 'enrolled',
      metadata: { HttpTokens: 'optional' },
    });
    expect(changes(world)).not.toContain('ec2.ModifyInstanceMetadataOptions');
  });

  it('is enrolled when a person starts it, and keeps IMDSv1 too', async () => {
    const { world, instance } = await unnoticed(10 * DAY);
    startByHand(world, { instanceId: instance });
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { HttpTokens: 'optional' } });
  });

  it('has come into being when its network interface was attached, and not when it was last started', async () => {
    const { world, instance } = await unnoticed(10 * DAY);
    world.ec2.stop(instance);
    await world.clock.advance(30_000);
    world.ec2.start(instance);
    await world.clock.advance(20_000);
    startByHand(world, { instanceId: instance });
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { HttpTokens: 'optional' } });
  });
});

describe('an instance that was launched a moment ago', () => {
  it('has IMDSv1 closed at once', async () => {
    const { world, instance } = await unnoticed(60_000);
    announceLaunch(world, instance);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { HttpTokens: 'required' } });
  });
});
