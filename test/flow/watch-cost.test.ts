import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ESTATE } from '../../local/estate.ts';
import { readProfiles } from '../../profiles/file.ts';
import { sized } from '../support/size.ts';
import { callsOfHandlers, nameOf, type Played, playWorld } from '../support/world.ts';

const README = readFileSync('README.md', 'utf8');
const MINUTE = 60_000;

/** Two pages of groups, whatever the number of their members. */
const GROUPS = 200;
const MEMBERS = sized({ small: 5, full: 50 });
/** In how many of the groups one member each waits, or all of them do. */
const WAITING = sized({ small: 50, full: 500 });

const nameOfGroup = (index: number) => `web-${index}`;

/** A fleet in service, of which no event arrives. Its groups have launch hooks from now on. */
async function playFleet(): Promise<Played> {
  const groups = Array.from({ length: GROUPS }, (_, index) => ({
    AutoScalingGroupName: nameOfGroup(index),
    MaxSize: 1000,
  }));
  const world = await playWorld({ estate: { ...ESTATE, groups, hooks: [] }, profiles: readProfiles('profiles.yml') });
  world.lambda.interceptor = async () => ({});
  for (const { AutoScalingGroupName } of groups) world.autoScaling.launch(AutoScalingGroupName, MEMBERS);
  await world.clock.advance(5 * MINUTE);
  return world;
}

/** Instances that launch into a hook, and wait there. */
async function launchWaiting(world: Played): Promise<void> {
  const perGroup = WAITING / 10;
  for (let index = 0; index < 10; index++) {
    const hook = {
      AutoScalingGroupName: nameOfGroup(index),
      LifecycleHookName: 'muster-launch',
      HeartbeatTimeout: 900,
    };
    const launching = { ...hook, LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING' };
    world.autoScaling.service.operations.PutLifecycleHook?.(launching as never, {} as never);
    world.autoScaling.launch(nameOfGroup(index), perGroup);
  }
  await world.clock.advance(MINUTE);
}

/** The calls of one round of the watch, counted by their names. */
async function round(world: Played): Promise<Record<string, number>> {
  world.calls.length = 0;
  const { interceptor } = world.lambda;
  world.lambda.interceptor = (_invocation, next) => next();
  const done = world.lambda.invoke('muster-dev-watch', { time: new Date(world.clock.now()).toISOString() });
  await world.clock.run(done);
  world.lambda.interceptor = interceptor;
  const counts: Record<string, number> = {};
  for (const name of callsOfHandlers(world).map(nameOf)) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

const IDLE = { 'dynamodb.Query': 1, 'autoscaling.DescribeAutoScalingGroups': 2 };

describe(`a round of the watch over ${GROUPS} groups of ${MEMBERS} instances`, () => {
  it('makes the calls that the README counts, and a heartbeat and a write for each launch whose heartbeat is due', async () => {
    const world = await playFleet();
    expect(await round(world)).toEqual(IDLE);
    expect(README).toContain(
      'With 10,000 instances in 200 groups a round makes three calls (a Query, and two pages of groups)',
    );

    await launchWaiting(world);
    const heartbeats = { 'autoscaling.RecordLifecycleActionHeartbeat': WAITING };
    expect(await round(world), 'that finds launches whose events were lost').toEqual({
      ...{ ...IDLE, ...heartbeats, 'dynamodb.GetItem': WAITING, 'dynamodb.PutItem': WAITING },
      'autoscaling.DescribeLifecycleHooks': WAITING,
    });
    await world.clock.advance(MINUTE);
    expect(await round(world), 'that starts their executions').toEqual({
      ...{ ...IDLE, ...heartbeats, 'dynamodb.PutItem': WAITING, 'dynamodb.UpdateItem': 2 * WAITING },
      'states.StartExecution': WAITING,
    });
    await world.clock.advance(MINUTE);
    expect(await round(world), 'in which no heartbeat is due').toEqual(IDLE);
    await world.clock.advance(4 * MINUTE);
    expect(await round(world), 'a third of the HeartbeatTimeout later').toEqual({
      ...{ ...IDLE, ...heartbeats, 'dynamodb.UpdateItem': WAITING },
    });
    expect(README).toContain(
      'it adds a heartbeat and a write for each of them every third of their `HeartbeatTimeout`',
    );
    expect(README).toContain(`${(500 * 2) / (900 / 3 / 60)} calls a minute for 500 launches in hooks of 900 seconds`);
  });
});
