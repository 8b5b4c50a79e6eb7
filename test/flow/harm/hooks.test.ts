import { describe, expect, it } from 'vitest';
import { ESTATE } from '../../../local/estate.ts';
import { readProfiles } from '../../../profiles/file.ts';
import {
  changes,
  launchActions,
  type Played,
  playWorld,
  startByHand,
  untilEnded,
  untilOneEnded,
} from '../../support/world.ts';

const TEAM_HOOK = {
  AutoScalingGroupName: 'batch-nightly',
  LifecycleHookName: 'another-team',
  LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
  HeartbeatTimeout: 7200,
} as const;

/** Drops every event until the callback ends. */
async function withoutEvents(world: Played, callback: () => Promise<void>): Promise<void> {
  const before = world.lambda.interceptor;
  world.lambda.interceptor = async () => null;
  await callback();
  world.lambda.interceptor = before;
}

describe('what a person types into an enrolment', () => {
  it.each([
    [
      'lifecycleAction',
      (token: string) => ({
        lifecycleAction: {
          autoScalingGroupName: 'web',
          lifecycleHookName: 'muster-launch',
          lifecycleActionToken: token,
        },
      }),
    ],
    ['autoScalingGroupName', () => ({ autoScalingGroupName: 'web' })],
    ['leaveOut', () => ({ leaveOut: ['imdsv2'] })],
    ['confirm', () => ({ confirm: true })],
  ])('chooses no hook, no group and nothing to leave out: %s is refused by its name', async (field, typed) => {
    const world = await playWorld();
    const [mine = '', another = ''] = world.autoScaling.launch('web', 2);
    await withoutEvents(world, () => world.clock.advance(60_000));
    const token = world.autoScaling.actions.all.find(({ instanceId }) => instanceId === another)?.token ?? '';
    startByHand(world, { instanceId: mine, ...typed(token) });
    expect((await untilOneEnded(world)).cause).toContain(`Unknown field "${field}"`);
    expect(changes(world)).toEqual([]);
    expect(launchActions(world)).toMatchObject([{ result: undefined }, { result: undefined }]);
  });

  it('completes the launch of the instance that is named, although its trigger holds another one’s token', async () => {
    const world = await playWorld();
    const [mine = '', another = ''] = world.autoScaling.launch('web', 2);
    await withoutEvents(world, () => world.clock.advance(60_000));
    const token = world.autoScaling.actions.all.find(({ instanceId }) => instanceId === another)?.token;
    startByHand(world, {
      instanceId: mine,
      lifecycleAction: { autoScalingGroupName: 'web', lifecycleHookName: 'muster-launch', lifecycleActionToken: token },
      trigger: { detailType: 'x', eventId: 'x', eventTime: '2031-05-06T07:08:09Z' },
    });
    expect(await untilOneEnded(world)).toMatchObject({ instance: mine, outcome: 'enrolled' });
    await world.clock.advance(5000);
    expect(world.autoScaling.members.get(mine)?.lifecycleState).toBe('InService');
    expect(world.autoScaling.members.get(another)?.lifecycleState).toBe('Pending:Wait');
  });

  it('says nothing of an instance that another execution’s announcement is about', async () => {
    const world = await playWorld();
    world.autoScaling.launch('web', 1);
    await untilOneEnded(world);
    const [event] = world.machines.executions();
    const [other = ''] = world.autoScaling.launch('batch-nightly', 1);
    await withoutEvents(world, () => world.clock.advance(60_000));
    // The name of an execution that a person starts is the person's own choice.
    const stateMachineArn = world.enrolNodeArn;
    world.machines.start({ stateMachineArn, name: `${event?.name}-2`, input: JSON.stringify({ instanceId: other }) });
    expect((await untilEnded(world, 2))[1]).toMatchObject({ instance: other, outcome: 'enrolled' });
  });
});

describe('a hook that is not ours', () => {
  const estate = { ...ESTATE, hooks: [...ESTATE.hooks, TEAM_HOOK] };

  it('is waited out: a start by hand enrols while the server is in maintenance and another team’s hook waits', async () => {
    const world = await playWorld({ estate, profiles: withHookForBatch() });
    world.opsWorksCm.maintenance('ChefServer', 1800);
    const [instance = ''] = world.autoScaling.launch('batch-nightly', 1);
    await withoutEvents(world, () => world.clock.advance(60_000));
    startByHand(world, { instanceId: instance });
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled' });
    expect(launchActions(world)).toMatchObject([{ hook: 'another-team', result: undefined, heartbeats: 0 }]);
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('Pending:Wait');
  });

  it('keeps an enrolment going when our own hook has ended and another team’s still waits', async () => {
    const hooks = [...ESTATE.hooks, { ...TEAM_HOOK, AutoScalingGroupName: 'web' }];
    const world = await playWorld({ estate: { ...ESTATE, hooks } });
    world.opsWorksCm.maintenance('ChefServer', 1800);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(120_000);
    const target = { AutoScalingGroupName: 'web', LifecycleHookName: 'muster-launch', InstanceId: instance };
    world.autoScaling.actions.complete(target, 'CONTINUE');
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled' });
  });
});

describe('a launch of an instance that is enrolled already', () => {
  it('is completed by the execution that owns the instance, and no late task of an earlier one can', async () => {
    const groups = ESTATE.groups.map((group) =>
      group.AutoScalingGroupName === 'web'
        ? { ...group, WarmPool: { MinSize: 1, PoolState: 'Running' as const, ReuseOnScaleIn: false } }
        : group,
    );
    const world = await playWorld({ estate: { ...ESTATE, groups } });
    let first: { instance: { instanceId: string }; enrolment: object } | undefined;
    let late: unknown;
    let lateFindingItEnrolled: unknown;
    let open = 0;
    world.lambda.interceptor = async ({ functionName, payload }, next) => {
      if (functionName !== FINISH_LAUNCH) return next();
      const own = payload as NonNullable<typeof first>;
      if (first === undefined) first = own;
      else if (late === undefined && own.instance.instanceId === first.instance.instanceId) {
        late = 'running';
        late = await world.lambda.invoke(FINISH_LAUNCH_ARN, first).catch((error: unknown) => error);
        const enrolment = { ...first.enrolment, enrolledBefore: true };
        lateFindingItEnrolled = await world.lambda.invoke(FINISH_LAUNCH_ARN, { ...first, enrolment });
        const isOpen = ({ instanceId, result }: { instanceId: string; result: unknown }) =>
          instanceId === own.instance.instanceId && result === undefined;
        open = world.autoScaling.actions.all.filter(isOpen).length;
      }
      return next();
    };
    await untilOneEnded(world);
    await world.clock.advance(60_000);
    world.autoScaling.launch('web', 1);
    await world.clock.advance(600_000);
    expect(late).toMatchObject({ error: 'ClaimedElsewhere' });
    expect(lateFindingItEnrolled).toEqual({ lifecycleAction: null });
    expect(open).toBe(1);
    const { instanceId } = first?.instance ?? {};
    const own = launchActions(world).filter((action) => action.instanceId === instanceId);
    expect(own).toMatchObject([{ resolvedBy: 'caller' }, { result: 'CONTINUE', resolvedBy: 'caller' }]);
    expect((await world.ledger()).find(({ instance }) => instance === instanceId)).toMatchObject({ generation: 2 });
  });
});

describe('a launch that a person enrols after a failure', () => {
  it('is not completed by the late task that would have released it', async () => {
    const profiles = readProfiles('profiles.yml').map((profile) => ({ ...profile, onFailure: 'continue' as const }));
    const world = await playWorld({ profiles });
    let release: unknown;
    world.lambda.interceptor = async ({ functionName, payload }, next) => {
      if (functionName !== 'muster-dev-release-launch') return next();
      release = payload;
      return { lifecycleAction: null };
    };
    world.faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', error: 'ValidationException' }]);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await untilOneEnded(world);
    world.faults.set([]);
    world.lambda.interceptor = (_invocation, next) => next();
    world.opsWorksCm.maintenance('ChefServer', 1800);
    startByHand(world, { instanceId: instance });
    await world.clock.advance(60_000);
    expect(release).toMatchObject({ action: 'continue' });
    expect(await world.lambda.invoke('muster-dev-release-launch', release)).toEqual({
      lifecycleAction: 'already-over',
    });
    expect(launchActions(world)).toMatchObject([{ hook: 'muster-launch', result: undefined }]);
    expect((await untilEnded(world, 2))[1]).toMatchObject({ instance, outcome: 'enrolled' });
  });
});

const FINISH_LAUNCH = 'muster-dev-finish-launch';
const FINISH_LAUNCH_ARN = `arn:aws:lambda:eu-west-1:123456789012:function:${FINISH_LAUNCH}`;

/** The profiles, with a hook of ours for the group that has only another team's. */
function withHookForBatch() {
  return readProfiles('profiles.yml').map((profile) =>
    profile.name === 'batch' ? { ...profile, lifecycleHook: 'muster-launch' } : profile,
  );
}
