import { describe, expect, it } from 'vitest';
import type { Profile } from '../../lib/profile.ts';
import { readProfiles } from '../../profiles/file.ts';
import { isFull, sampled } from '../support/size.ts';
import {
  enrolments,
  launchActions,
  outcomes,
  type Played,
  playWorld,
  START,
  untilEnded,
  untilOneEnded,
} from '../support/world.ts';

const HOUR_SECONDS = 3600;
/** Of every hook of the estate, and the service's default. */
const HEARTBEAT_TIMEOUT_SECONDS = HOUR_SECONDS;
const GLOBAL_TIMEOUT_SECONDS = 48 * HOUR_SECONDS;
/** Events that an execution's history may have. */
const HISTORY_LIMIT = 25_000;

const withPolicy = (onFailure: Profile['onFailure']) =>
  readProfiles('profiles.yml').map((profile) => ({ ...profile, onFailure }));

const OUTAGES: [what: string, (world: Played) => void][] = [
  ['the Chef server is in maintenance', ({ opsWorksCm }) => opsWorksCm.setStatus('ChefServer', 'UNDER_MAINTENANCE')],
  ['OpsWorks CM is out of reach', ({ faults }) => faults.set([{ service: 'opsworks-cm', drop: true }])],
  ['EC2 fails', ({ faults }) => faults.set([{ service: 'ec2', statusCode: 500 }])],
  ['DynamoDB fails', ({ faults }) => faults.set([{ service: 'dynamodb', statusCode: 500 }])],
];

const RECOVER = ({ opsWorksCm, faults }: Played) => {
  opsWorksCm.setStatus('ChefServer', 'HEALTHY');
  faults.set([]);
};

describe('an outage of three times the heartbeat time-out', () => {
  it.each(sampled(OUTAGES, 2))('is ridden out: %s', async (_what, begin) => {
    const world = await playWorld({ profiles: withPolicy('abandon') });
    begin(world);
    world.autoScaling.launch('web', 1);
    await world.clock.advance(3 * HEARTBEAT_TIMEOUT_SECONDS * 1000);
    expect(enrolments(world)).toMatchObject([{ outcome: 'running' }]);
    RECOVER(world);
    // While the ledger is away nothing says that an execution answers the launch: the watch may start a second one.
    const enrolment = (await untilEnded(world, 1)).find(({ outcome }) => outcome !== 'running');
    expect(enrolment).toMatchObject({ outcome: 'enrolled' });
    expect(world.clock.now() - START.getTime()).toBeLessThan(3.5 * HOUR_SECONDS * 1000);
    const [action] = launchActions(world);
    expect(action).toMatchObject({ result: 'CONTINUE', resolvedBy: 'caller' });
    expect(action?.heartbeats).toBeGreaterThan(3);
    expect(completions(world)).toEqual(['CONTINUE']);
  });
});

describe('an outage that lasts past the deadline', () => {
  const groups = { web: 'abandon', database: 'continue' } as const;
  const profiles = (Object.entries(groups) as [string, Profile['onFailure']][]).map(([group, onFailure]) => {
    const [web] = readProfiles('profiles.yml');
    return { ...(web as Profile), name: group, match: { autoScalingGroup: group }, onFailure };
  });

  // test/flow/any-hook.test.ts plays the same for shorter hooks, in every size.
  it.runIf(isFull)('is decided by us before the hook decides, as the profile says', { timeout: 120_000 }, async () => {
    const world = await playWorld({ profiles, scheduleSeconds: 600 });
    world.opsWorksCm.setStatus('ChefServer', 'UNDER_MAINTENANCE');
    const launched = Object.keys(groups).flatMap((group) => world.autoScaling.launch(group, 1));
    await world.clock.advance(GLOBAL_TIMEOUT_SECONDS * 1000);
    const executions = world.machines.executions(world.enrolNodeArn).slice(0, 2);
    expect(executions.map(({ outcome }) => outcome.error)).toEqual(['DeadlinePassed', 'DeadlinePassed']);
    for (const { events } of executions) expect(events.length).toBeLessThan(HISTORY_LIMIT);

    const actions = launched.map((id) => world.autoScaling.actions.all.find(({ instanceId }) => instanceId === id));
    expect(actions).toMatchObject([
      { result: 'ABANDON', resolvedBy: 'caller' },
      { result: 'CONTINUE', resolvedBy: 'caller' },
    ]);
    for (const action of actions) {
      const waitedSeconds = ((action?.resolvedAt ?? 0) - (action?.startedAt ?? 0)) / 1000;
      expect(waitedSeconds).toBeGreaterThan(GLOBAL_TIMEOUT_SECONDS - 2 * HEARTBEAT_TIMEOUT_SECONDS);
      expect(waitedSeconds).toBeLessThan(GLOBAL_TIMEOUT_SECONDS);
    }
    const heardOf = (id: string) => outcomes(world).filter(({ detail }) => detail.instance === id);
    expect(launched.map(heardOf)).toMatchObject([
      [
        { detailType: 'Instance Enrolment Failed', detail: { action: 'abandon', error: 'DeadlinePassed' } },
        // The server never took it, so that there is nothing to wait for.
        { detailType: 'Instance Retired' },
      ],
      [{ detailType: 'Instance Enrolment Failed', detail: { action: 'continue', error: 'DeadlinePassed' } }],
    ]);
  });
});

describe('a hook', () => {
  it.each(['CONTINUE', 'ABANDON'] as const)(
    'that somebody else completes with %s ends the waiting, and a node that serves is not stripped',
    async (result) => {
      const world = await playWorld({ profiles: withPolicy('abandon') });
      world.opsWorksCm.setStatus('ChefServer', 'UNDER_MAINTENANCE');
      const [instance = ''] = world.autoScaling.launch('web', 1);
      await world.clock.advance(HOUR_SECONDS * 1000);
      world.autoScaling.actions.complete(
        { AutoScalingGroupName: 'web', LifecycleHookName: 'muster-launch', InstanceId: instance },
        result,
      );
      world.autoScaling.setDesiredCapacity('web', result === 'CONTINUE' ? 1 : 0);
      await world.clock.advance(HOUR_SECONDS * 1000);
      const [enrolment] = world.machines.executions();
      const retirements = world.machines.executions(world.retireNodeArn);
      expect(completions(world)).toEqual(result === 'CONTINUE' ? [] : ['CONTINUE']);
      if (result === 'CONTINUE') {
        expect(enrolment?.outcome.error).toBe('LaunchDecided');
        expect(enrolment?.outcome.cause).toContain('it expired, or someone else completed it');
        expect(enrolment?.outcome.cause).toContain('that is left as it is.');
        expect(retirements).toEqual([]);
        expect(await world.ledger()).toMatchObject([{ status: 'failed' }]);
      } else {
        expect(enrolment).toMatchObject({ status: 'ABORTED' });
        expect(retirements.length).toBeGreaterThan(0);
      }
    },
  );

  it('that somebody completes in the very moment of our decision is theirs: nothing is undone', async () => {
    const world = await playWorld({ profiles: withPolicy('abandon') });
    world.opsWorksCm.setStatus('ChefServer', 'FAILED');
    const [instance = ''] = world.autoScaling.launch('web', 1);
    world.lambda.interceptor = async ({ functionName }, next) => {
      const answer = await next();
      if (functionName.endsWith('decide-failure'))
        world.autoScaling.actions.complete(
          { AutoScalingGroupName: 'web', LifecycleHookName: 'muster-launch', InstanceId: instance },
          'CONTINUE',
        );
      return answer;
    };
    await untilOneEnded(world);
    await world.clock.advance(600_000);
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('InService');
    expect(world.machines.executions(world.retireNodeArn)).toEqual([]);
  });
});

/** How handlers completed lifecycle actions, in order. */
function completions({ calls }: Played): unknown[] {
  return calls
    .filter(({ operation, invocationId }) => operation === 'CompleteLifecycleAction' && invocationId)
    .map(({ input }) => (input as { LifecycleActionResult: string }).LifecycleActionResult);
}
