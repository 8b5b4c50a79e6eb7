import { describe, expect, it } from 'vitest';
import { loseEvents, stateOf, worldWith } from '../support/hooks.ts';
import { launchActions, startByHand } from '../support/world.ts';

const MINUTE = 60_000;

describe('a launch in a hook of half a minute', () => {
  it('outlasts three minutes in which EC2 fails', async () => {
    const world = await worldWith(30);
    world.faults.set([{ service: 'ec2', statusCode: 500 }]);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(3 * MINUTE);
    expect(stateOf(world, instance)).toBe('Pending:Wait');
    world.faults.set([]);
    await world.clock.advance(8 * MINUTE);
    expect(stateOf(world, instance)).toBe('InService');
  });

  it('outlasts a moment in which the ledger takes nothing from start-enrolment', async () => {
    const world = await worldWith(30);
    // The announcement and the waiting launch, with the SDK's three attempts for each.
    world.faults.set([{ service: 'dynamodb', operation: 'PutItem', statusCode: 500, times: 6 }]);
    world.opsWorksCm.maintenance('ChefServer', 2 * 60);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(8 * MINUTE);
    expect(world.faults.list()).toEqual([]);
    expect(stateOf(world, instance)).toBe('InService');
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  it('is kept alive where it begins within the minute of another that is enrolled already', async () => {
    const world = await worldWith(30);
    const [first = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(25_000);
    world.opsWorksCm.maintenance('ChefServer', 2 * 60);
    const [second = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(8 * MINUTE);
    expect([first, second].map((instance) => stateOf(world, instance))).toEqual(['InService', 'InService']);
    expect(launchActions(world).map(({ resolvedBy }) => resolvedBy)).toEqual(['caller', 'caller']);
  });

  it('is kept alive where its event takes most of that half minute', async () => {
    const world = await worldWith(30);
    loseEvents(world);
    world.opsWorksCm.maintenance('ChefServer', 2 * 60);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    // Less than a look of the watch is left: start-enrolment itself has to send a heartbeat.
    await world.clock.advance(29_000);
    const [event] = world.events.filter(({ 'detail-type': type }) => type === 'EC2 Instance-launch Lifecycle Action');
    world.lambda.interceptor = (_invocation, next) => next();
    void world.lambda.invokeAsync('muster-dev-start-enrolment', event);
    await world.clock.advance(8 * MINUTE);
    expect(stateOf(world, instance)).toBe('InService');
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  it('is kept alive where its event was lost, if a round of the watch sees it in time', async () => {
    const world = await worldWith(30);
    loseEvents(world);
    world.opsWorksCm.maintenance('ChefServer', 2 * 60);
    await world.clock.advance(45_000);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(8 * MINUTE);
    expect(stateOf(world, instance)).toBe('InService');
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  it('is kept alive where only its enrolment has recorded it', async () => {
    const world = await worldWith(30);
    loseEvents(world);
    world.opsWorksCm.maintenance('ChefServer', 2 * 60);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    // Long before the next round of the watch.
    await world.clock.advance(15_000);
    startByHand(world, { instanceId: instance });
    await world.clock.advance(8 * MINUTE);
    expect(stateOf(world, instance)).toBe('InService');
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });
});
