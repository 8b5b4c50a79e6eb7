import { DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import type { Profile } from '../../lib/profile.ts';
import { ESTATE } from '../../local/estate.ts';
import { readProfiles } from '../../profiles/file.ts';
import { findWaiting } from '../../services/waiting-actions.ts';
import { loseEvents, stateOf, worldWith } from '../support/hooks.ts';
import { sampled, sized } from '../support/size.ts';
import { deploy } from '../support/sweeps.ts';
import {
  enrolments,
  launchActions,
  outcomes,
  type Played,
  playWorld,
  startByHand,
  untilOneEnded,
} from '../support/world.ts';

/** Seconds: the ends of what Auto Scaling allows, and what public launch hooks have. */
const HEARTBEAT_TIMEOUTS = sized({ small: [30, 180], full: [30, 60, 180, 300, 900, 2000, 3600, 7200] });
const limitOf = (heartbeatTimeout: number) => Math.min(48 * 3600, 100 * heartbeatTimeout);

const MINUTE = 60_000;

const isRunning = (world: Played) => enrolments(world).map(({ outcome }) => outcome);

/** Makes the item of a waiting action one that cannot be read. */
async function breakItem(subject: string): Promise<void> {
  await new DynamoDBClient({}).send(
    new UpdateItemCommand({
      TableName: 'muster-dev-ledger',
      Key: { instance: { S: `waiting/${subject}` } },
      UpdateExpression: 'SET heartbeatTimeoutSeconds = :text',
      ExpressionAttributeValues: { ':text': { S: 'five minutes' } },
    }),
  );
}

describe.each(HEARTBEAT_TIMEOUTS)('a hook with a HeartbeatTimeout of %i seconds', (heartbeatTimeout) => {
  const limit = limitOf(heartbeatTimeout);

  it('is kept alive while the server is away for half of its limit, and the node is enrolled', async () => {
    const world = await worldWith(heartbeatTimeout);
    world.opsWorksCm.maintenance('ChefServer', limit / 2);
    world.autoScaling.launch('web', 1);
    const enrolment = await untilOneEnded(world);
    expect(enrolment).toMatchObject({ outcome: 'enrolled' });
    expect(enrolment.seconds).toBeGreaterThan(limit / 2);
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  const policies: Profile['onFailure'][] = ['hold', 'abandon', 'continue'];
  const first = HEARTBEAT_TIMEOUTS.indexOf(heartbeatTimeout) % 3;
  const chosen = sized({ small: policies.slice(first, first + 1), full: policies });

  it.each(chosen)('is decided by us where the server is away beyond its limit: %s', async (onFailure) => {
    const world = await worldWith(heartbeatTimeout, { onFailure });
    world.opsWorksCm.setStatus('ChefServer', 'UNDER_MAINTENANCE');
    const [instance = ''] = world.autoScaling.launch('web', 1);
    const failed = await untilOneEnded(world);
    expect(failed.cause).toContain('ServerNotReady');
    expect(world.machines.executions()[0]?.outcome.error).toBe('DeadlinePassed');
    expect(failed.seconds).toBeGreaterThan(limit / 2);
    const decided = { hold: undefined, abandon: 'ABANDON', continue: 'CONTINUE' }[onFailure];
    expect(launchActions(world)[0]).toMatchObject({ result: decided, resolvedBy: decided && 'caller' });
    expect(outcomes(world)[0]?.detail).toMatchObject({ instance, action: onFailure });
    if (onFailure !== 'hold') return;
    // A held launch stays until a person acts, or until the hook's own limit, about which there is an alert.
    await world.clock.advance((limit - failed.seconds) * 1000 - MINUTE);
    expect(stateOf(world, instance)).toBe('Pending:Wait');
    expect(world.logs.filter((line) => 'LaunchesExpiring' in line)).not.toEqual([]);
    await world.clock.advance(2 * MINUTE);
    expect(launchActions(world)[0]).toMatchObject({ result: 'ABANDON', resolvedBy: 'timeout' });
  });
});

describe('an event that is lost', () => {
  const timeouts = sampled([300, 900], 1);

  it.each(timeouts)('of a launch is made up for within two minutes and a round: %i s', async (heartbeatTimeout) => {
    const world = await worldWith(heartbeatTimeout, { scheduleSeconds: 60 });
    loseEvents(world);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(3 * MINUTE);
    expect(enrolments(world)).toMatchObject([{ instance }]);
    await world.clock.advance(10 * MINUTE);
    expect(enrolments(world)).toMatchObject([{ instance, outcome: 'enrolled' }]);
    expect(stateOf(world, instance)).toBe('InService');
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  it.each(timeouts)('of a termination is made up for too: %i s', async (heartbeatTimeout) => {
    const world = await worldWith(heartbeatTimeout, { scheduleSeconds: 60 });
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await untilOneEnded(world);
    await world.clock.advance(10 * MINUTE);
    loseEvents(world);
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(4 * MINUTE);
    expect(launchActions(world)[1]).toMatchObject({ hook: 'muster-terminate', resolvedBy: 'caller' });
    await world.clock.advance(30 * MINUTE);
    expect(world.machines.executions().map(({ stateName }) => stateName)).toEqual(['Enrolled', 'Retired']);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'retired' }]);
  });

  it('and comes an hour late starts nothing twice', async () => {
    const world = await worldWith(300, { scheduleSeconds: 60 });
    loseEvents(world);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(20 * MINUTE);
    expect(isRunning(world)).toEqual(['enrolled']);
    const [event] = world.events.filter(({ 'detail-type': type }) => type === 'EC2 Instance-launch Lifecycle Action');
    world.lambda.interceptor = (_invocation, next) => next();
    await world.lambda.invokeAsync('muster-dev-start-enrolment', event);
    await world.clock.advance(20 * MINUTE);
    expect(isRunning(world)).toEqual(['enrolled', 'enrolled']);
    expect(
      world.machines
        .executions()[1]
        ?.events.map(({ type }) => type)
        .includes('TaskFailed'),
    ).toBe(false);
    expect(stateOf(world, instance)).toBe('InService');
  });
});

describe('what the watch leaves alone', () => {
  it('is a hook of another team, and a launch that no profile asks for', async () => {
    const profiles = readProfiles('profiles.yml').filter(({ name }) => name !== 'web');
    const hooks = ESTATE.hooks.map((hook) => ({ ...hook, HeartbeatTimeout: 300 }));
    const world = await playWorld({ profiles, estate: { ...ESTATE, hooks } });
    world.autoScaling.launch('web', 1);
    world.autoScaling.launch('analytics', 1);
    await world.clock.advance(20 * MINUTE);
    expect(launchActions(world).slice(0, 2)).toMatchObject([
      { hook: 'muster-launch', resolvedBy: 'timeout', heartbeats: 0 },
      { hook: 'analytics-warm-up', resolvedBy: 'timeout', heartbeats: 0 },
    ]);
  });

  it('is the item of a launch that waits, until the launch is let into service: then nothing is left to look at', async () => {
    const world = await worldWith(300, { scheduleSeconds: 60 });
    const { signal } = new AbortController();
    world.opsWorksCm.maintenance('ChefServer', 5 * 60);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(MINUTE / 2);
    const { since, execution } = (await findWaiting(instance, signal)) ?? {};
    await world.clock.advance(4 * MINUTE);
    expect(execution).toBeDefined();
    expect(await findWaiting(instance, signal)).toMatchObject({ since, execution });
    await untilOneEnded(world);
    expect(await findWaiting(instance, signal)).toBeUndefined();
  });

  it('is a launch that its profile does not match after all', async () => {
    const [web, ...others] = readProfiles('profiles.yml');
    const profiles = [{ ...(web as Profile), match: { autoScalingGroup: 'web', tags: { role: 'web' } } }, ...others];
    const hooks = ESTATE.hooks.map((hook) => ({ ...hook, HeartbeatTimeout: 900 }));
    const world = await playWorld({ profiles, estate: { ...ESTATE, hooks } });
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(40 * MINUTE);
    expect(enrolments(world)[0]).toMatchObject({ instance, outcome: 'ignored' });
    // Kept alive while its tags may still come, and left to its hook then.
    expect(launchActions(world)[0]).toMatchObject({ result: 'ABANDON', resolvedBy: 'timeout' });
    const started = world.machines.executions(world.enrolNodeArn);
    expect(started.filter(({ inputText }) => inputText.includes(instance))).toHaveLength(1);
  });
});

describe('an outage', () => {
  it.each(
    sampled(
      [
        ['dynamodb', 25],
        ['ec2', 25],
        ['states', 2],
      ],
      2,
    ),
  )('of %s for %i minutes expires no hook of five minutes', async (service, minutes) => {
    const world = await worldWith(300, { scheduleSeconds: 60 });
    world.faults.set([{ service, statusCode: 500 }]);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(minutes * MINUTE);
    expect(stateOf(world, instance)).toBe('Pending:Wait');
    world.faults.set([]);
    await world.clock.advance(60 * MINUTE);
    expect(stateOf(world, instance)).toBe('InService');
    expect(enrolments(world).filter(({ outcome }) => outcome === 'enrolled')).not.toEqual([]);
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  it('of Auto Scaling for three minutes expires none either', async () => {
    const world = await worldWith(300, { scheduleSeconds: 60 });
    world.opsWorksCm.maintenance('ChefServer', 30 * 60);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(10 * MINUTE);
    world.faults.set([{ service: 'autoscaling', statusCode: 500 }]);
    await world.clock.advance(3 * MINUTE);
    world.faults.set([]);
    await world.clock.advance(60 * MINUTE);
    expect(stateOf(world, instance)).toBe('InService');
    expect(launchActions(world)).toMatchObject([{ resolvedBy: 'caller' }]);
  });
});

describe('the watch goes on', () => {
  it('with a launch that was left to its hook, once a profile matches it and it is started by hand', async () => {
    const [web, ...others] = readProfiles('profiles.yml');
    const profiles = [{ ...(web as Profile), match: { autoScalingGroup: 'web', tags: { role: 'web' } } }, ...others];
    const hooks = ESTATE.hooks.map((hook) => ({ ...hook, HeartbeatTimeout: 900 }));
    const world = await playWorld({ profiles, estate: { ...ESTATE, hooks } });
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(14 * MINUTE);
    expect(enrolments(world)[0]).toMatchObject({ outcome: 'ignored' });
    deploy((file) => {
      file.profiles.splice(0, file.profiles.length, ...readProfiles('profiles.yml'));
    });
    world.opsWorksCm.maintenance('ChefServer', 3600);
    startByHand(world, { instanceId: instance });
    await world.clock.advance(90 * MINUTE);
    expect(stateOf(world, instance)).toBe('InService');
    expect(launchActions(world)[0]).toMatchObject({ resolvedBy: 'caller', result: 'CONTINUE' });
  });

  it('with a launch whose execution could not be started, and whose event is a dead letter', async () => {
    const world = await worldWith(300, { scheduleSeconds: 60 });
    world.faults.set([{ service: 'states', operation: 'StartExecution', error: 'AccessDeniedException' }]);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(8 * MINUTE);
    expect(world.lambda.deadLetters).toMatchObject([{ functionName: 'muster-dev-start-enrolment' }]);
    expect(stateOf(world, instance)).toBe('Pending:Wait');
    world.faults.set([]);
    await world.clock.advance(20 * MINUTE);
    expect(stateOf(world, instance)).toBe('InService');
  });

  it('with the termination of an instance whose launch was held, and whose event is lost', async () => {
    const world = await worldWith(300, { scheduleSeconds: 60 });
    world.opsWorksCm.setStatus('ChefServer', 'FAILED');
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await untilOneEnded(world);
    loseEvents(world);
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(20 * MINUTE);
    expect(launchActions(world).find(({ hook }) => hook === 'muster-terminate')).toMatchObject({
      resolvedBy: 'caller',
    });
  });

  it('with the termination of an instance whose launch was left to its hook, and whose event is lost', async () => {
    const [web, ...others] = readProfiles('profiles.yml');
    const profiles = [{ ...(web as Profile), match: { autoScalingGroup: 'web', tags: { role: 'web' } } }, ...others];
    const world = await playWorld({ profiles });
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(14 * MINUTE);
    expect(enrolments(world)[0]).toMatchObject({ outcome: 'ignored' });
    const theirs = { AutoScalingGroupName: 'web', LifecycleHookName: 'muster-launch', InstanceId: instance };
    world.autoScaling.actions.complete(theirs, 'CONTINUE');
    await world.clock.advance(MINUTE);
    loseEvents(world);
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(6 * MINUTE);
    expect(launchActions(world).find(({ hook }) => hook === 'muster-terminate')).toMatchObject({
      resolvedBy: 'caller',
    });
  });

  it('with a launch whose event is lost, where the item of another cannot be read', async () => {
    const world = await worldWith(300, { scheduleSeconds: 60 });
    world.opsWorksCm.setStatus('ChefServer', 'UNDER_MAINTENANCE');
    const [broken = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(2 * MINUTE);
    await breakItem(broken);
    loseEvents(world);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(4 * MINUTE);
    expect(enrolments(world)).toContainEqual(expect.objectContaining({ instance }));
  });

  it('where one item cannot be read, and its launch is decided at its deadline', async () => {
    const world = await worldWith(300, { scheduleSeconds: 60, onFailure: 'abandon' });
    world.opsWorksCm.setStatus('ChefServer', 'UNDER_MAINTENANCE');
    const [broken = '', good = ''] = world.autoScaling.launch('web', 2);
    await world.clock.advance(2 * MINUTE);
    await breakItem(broken);
    await world.clock.advance(30 * MINUTE);
    expect(stateOf(world, good)).toBe('Pending:Wait');
    world.opsWorksCm.setStatus('ChefServer', 'HEALTHY');
    await world.clock.advance(30 * MINUTE);
    expect(stateOf(world, good)).toBe('InService');
    expect(world.logs).toContainEqual(
      expect.objectContaining({
        level: 'ERROR',
        reason: expect.stringContaining(`waiting/${broken} is not as Muster`),
      }),
    );
  });
});
