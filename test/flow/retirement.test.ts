import { describe, expect, it } from 'vitest';
import { associations, launchActions, playWorld, registrations, untilEnded } from './world.ts';

describe('a termination', () => {
  it('takes the node from its server and its stack, and completes its hook first', async () => {
    const world = await playWorld();
    const [instanceId = ''] = world.autoScaling.launch('web', 1);
    await untilEnded(world, 2);
    await world.clock.advance(300_000);
    expect(associations(world)).toHaveLength(1);

    world.autoScaling.setDesiredCapacity('web', 0);
    await untilEnded(world, 4);
    await world.clock.advance(600_000);
    const ends = world.machines.executions().map(({ stateName }) => stateName);
    expect(ends).toEqual(['Enrolled', 'Ignored', 'Retired', 'NothingToRetire']);
    expect(associations(world)).toEqual([]);
    expect(registrations(world)).toEqual([]);
    expect(world.ec2.instance(instanceId)?.state).toBe('terminated');
    expect(await world.ledger()).toMatchObject([{ instance: instanceId, status: 'retired' }]);
    expect(launchActions(world).map(({ hook, result, resolvedBy }) => [hook, result, resolvedBy])).toEqual([
      ['muster-launch', 'CONTINUE', 'caller'],
      ['muster-terminate', 'CONTINUE', 'caller'],
    ]);
  });

  it('in the middle of an enrolment leaves nothing behind', async () => {
    const world = await playWorld();
    const [instanceId = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(60_000);
    world.autoScaling.terminate(instanceId, true);
    await untilEnded(world, 2);
    await world.clock.advance(900_000);
    expect(world.machines.executions().map(({ status }) => status)).toEqual(['ABORTED', 'SUCCEEDED', 'SUCCEEDED']);
    expect([associations(world), registrations(world)]).toEqual([[], []]);
    expect(await world.ledger()).toMatchObject([{ instance: instanceId, status: 'retired' }]);
  });
});
