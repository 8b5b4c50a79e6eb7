import { describe, expect, it } from 'vitest';
import { finishedExecution, launchActions, playWorld, startByHand, untilOneEnded } from '../../support/world.ts';

const NOT_FOUND = { service: 'ec2', operation: 'DescribeInstances', error: 'InvalidInstanceID.NotFound' } as const;

function createBlog(world: Awaited<ReturnType<typeof playWorld>>) {
  const image = { availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' };
  void world.lightsail.createInstances({ instanceNames: ['blog'], ...image }, { requestId: 'by-the-test' });
}

describe('an instance that its service does not show', () => {
  it.each([0, 1, 2])('once, after %i looks that showed it, is enrolled all the same', async (skip) => {
    const world = await playWorld();
    world.faults.set([{ ...NOT_FOUND, times: 1, ...(skip > 0 && { skip }) }]);
    world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { HttpTokens: 'required' } });
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  it.each([0, 1, 2])('once, after %i looks that showed it, is enrolled all the same on Lightsail', async (skip) => {
    const world = await playWorld();
    const fault = { service: 'lightsail', operation: 'GetInstance', error: 'NotFoundException', times: 1 };
    world.faults.set([{ ...fault, ...(skip > 0 && { skip }) }]);
    createBlog(world);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { httpTokens: 'required' } });
  });

  it.each([3, 4])(
    'once more, while its metadata options are applied (look %i), is enrolled all the same',
    async (skip) => {
      const world = await playWorld();
      world.faults.set([{ ...NOT_FOUND, times: 1, skip }]);
      world.autoScaling.launch('web', 1);
      expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { HttpTokens: 'required' } });
    },
  );

  it('once, to the very call that changes it, is enrolled all the same', async () => {
    const world = await playWorld();
    world.faults.set([
      { service: 'ec2', operation: 'ModifyInstanceMetadataOptions', error: 'InvalidInstanceID.NotFound', times: 1 },
    ]);
    world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { HttpTokens: 'required' } });
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  it.each(['UpdateInstanceMetadataOptions', 'GetOperation'])(
    'once, to %s of Lightsail, is enrolled all the same',
    async (operation) => {
      const world = await playWorld();
      world.faults.set([{ service: 'lightsail', operation, error: 'NotFoundException', times: 1 }]);
      createBlog(world);
      expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { httpTokens: 'required' } });
    },
  );

  it('but EC2 does (Auto Scaling leaves it out for a minute) is let out of its hook all the same', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    world.autoScaling.hide(instance, 60);
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled' });
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  it('because it has left its group is enrolled when the launch is too old for that', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    world.autoScaling.hide(instance, 7200);
    const enrolment = await untilOneEnded(world);
    expect(enrolment).toMatchObject({ instance, outcome: 'enrolled' });
    expect(enrolment.seconds).toBeGreaterThan(600);
    expect(enrolment.seconds).toBeLessThan(3600);
  });

  it('for four minutes after it had shown it is enrolled all the same', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    world.faults.set([{ ...NOT_FOUND, skip: 1 }]);
    await world.clock.advance(4 * 60_000);
    world.faults.set([]);
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled' });
  });

  it('whenever it is asked twice within five minutes is never taken for gone', async () => {
    const world = await playWorld();
    world.autoScaling.launch('web', 1);
    // A sighting between two misses: the absence begins anew.
    for (let round = 0; round < 4; round++) {
      world.faults.set([NOT_FOUND]);
      await world.clock.advance(3 * 60_000);
      world.faults.set([{ ...NOT_FOUND, skip: 1 }]);
      await world.clock.advance(60_000);
    }
    world.faults.set([]);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled' });
  });

  it('for more than five minutes is gone, and its enrolment says since when', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    world.faults.set([NOT_FOUND]);
    const failed = await untilOneEnded(world);
    expect(failed.cause).toContain(`EC2 has not shown ${instance} in eu-west-1 since 2031-05-06T07:`);
    expect(finishedExecution(world).error).toBe('InstanceGone');
    expect(failed.seconds).toBeGreaterThan(5 * 60);
    expect(failed.seconds).toBeLessThan(20 * 60);
  });

  it.each([
    [{ instanceId: 'i-0123456789abcdef0' }, 'EC2 has not shown i-0123456789abcdef0 in eu-west-1 since', 'instanceId'],
    [{ lightsailInstanceName: 'nobody' }, 'Lightsail has not shown nobody in eu-west-1 since', 'lightsailInstanceName'],
  ])(
    '(%o, which a person typed) is gone after the same time, with a word about the field',
    async (input, says, field) => {
      const world = await playWorld();
      startByHand(world, input);
      const failed = await untilOneEnded(world);
      expect(failed.cause).toContain(says);
      expect(failed.cause).toContain(`check ${field}`);
      expect(failed.seconds).toBeGreaterThan(5 * 60);
    },
  );

  it('although EC2 says that it is terminated is gone at once', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    world.ec2.terminate(instance);
    await world.clock.advance(60_000);
    expect(finishedExecution(world).error).toBe('InstanceGone');
  });
});
