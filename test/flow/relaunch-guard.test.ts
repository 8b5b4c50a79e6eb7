import { describe, expect, it } from 'vitest';
import { readProfiles } from '../../profiles/file.ts';
import { sized } from '../support/size.ts';
import {
  associations,
  ledgerOfInstances,
  outcomes,
  type Played,
  playWorld,
  registrations,
  statesOf,
} from '../support/world.ts';

const MINUTE = 60_000;
const LAUNCHES = sized({ small: 10, full: 50 });
const ABANDON_LIMIT = 3;

const profiles = readProfiles('profiles.yml').map((profile) => ({
  ...profile,
  onFailure: 'abandon' as const,
  abandonLimit: ABANDON_LIMIT,
}));

/** The server refuses each node: a verdict on it. */
const REFUSAL = { service: 'opsworks-cm', operation: 'AssociateNode', error: 'ValidationException' };

/** Launches of one group, and a server that will never take any of them. */
async function launchInVain(launches: number) {
  const world = await playWorld({ profiles });
  world.faults.set([REFUSAL]);
  world.autoScaling.launch('web', launches);
  return world;
}

function abandoned({ autoScaling }: Played) {
  return autoScaling.actions.all.filter(({ result, resolvedBy }) => result === 'ABANDON' && resolvedBy === 'caller');
}

describe('launches of one group that all fail for good', () => {
  it('are abandoned as often as the profile allows within an hour, then held: no relaunch loop', async () => {
    const world = await launchInVain(LAUNCHES);
    await world.clock.advance(55 * MINUTE);
    expect(abandoned(world)).toHaveLength(ABANDON_LIMIT);
    const launches = world.autoScaling.actions.all.filter(({ hook }) => hook === 'muster-launch');
    expect(launches).toHaveLength(LAUNCHES + ABANDON_LIMIT);
    const held = outcomes(world).filter(({ detailType }) => detailType === 'Instance Enrolment Held');
    expect(held).toHaveLength(LAUNCHES);
    expect(held[0]?.detail.cause).toContain(
      'It is held and not abandoned, because 3 launches of its group were abandoned within an hour.',
    );
    expect(world.logs.filter(({ PolicyRelaxed }) => PolicyRelaxed === 1)).toHaveLength(LAUNCHES);
  });

  it('may be abandoned again when the hour is over', async () => {
    const world = await launchInVain(ABANDON_LIMIT + 1);
    await world.clock.advance(50 * MINUTE);
    expect(abandoned(world)).toHaveLength(ABANDON_LIMIT);
    // The group lets go of those that are held, and launches others after the hour.
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.clock.advance(12 * MINUTE);
    world.autoScaling.launch('web', ABANDON_LIMIT + 1);
    await world.clock.advance(10 * MINUTE);
    expect(abandoned(world)).toHaveLength(2 * ABANDON_LIMIT);
  });

  it('do not use up the allowance of another group', async () => {
    const world = await launchInVain(ABANDON_LIMIT + 1);
    world.opsWorksCm.setStatus('PuppetServer', 'FAILED');
    world.autoScaling.launch('database', 1);
    await world.clock.advance(2 * MINUTE);
    expect(abandoned(world).filter(({ autoScalingGroupName }) => autoScalingGroupName === 'database')).not.toEqual([]);
  });
});

describe('an abandoned enrolment', () => {
  it('leaves nothing behind: its launch is completed first, then it is retired', async () => {
    const world = await launchInVain(1);
    let isRestored = false;
    world.watch(({ machine, status }) => {
      if (isRestored || !machine.name.endsWith('enrol-node') || status === 'RUNNING') return;
      isRestored = true;
      world.autoScaling.setDesiredCapacity('web', 0);
    });
    await world.clock.advance(30 * MINUTE);
    const [enrolment] = world.machines.executions();
    expect(statesOf(enrolment as NonNullable<typeof enrolment>).slice(-8)).toEqual([
      'DecideFailure',
      'IsReleaseWanted',
      'ReleaseLaunch',
      'IsDecidedByUs',
      'IsUndoWanted',
      'UndoEnrolment',
      'ReportFailure',
      'EnrolmentFailed',
    ]);
    expect(enrolment?.outcome.cause).toMatch(/By then it was registered .*; retire-node undoes that\./);
    expect([associations(world), registrations(world)]).toEqual([[], []]);
    expect(await ledgerOfInstances(world)).toMatchObject([{ status: 'retired' }]);
    const ends = world.machines.executions(world.retireNodeArn).map(({ stateName }) => stateName);
    expect(ends.filter((end) => end === 'Retired')).toHaveLength(1);
    expect(ends.filter((end) => end !== 'Retired' && end !== 'NothingToRetire')).toEqual([]);
    expect(outcomes(world).map(({ detailType }) => detailType)).toEqual([
      'Instance Enrolment Failed',
      'Instance Retired',
    ]);
  });

  it.each(['hold', 'continue'] as const)('%s undoes nothing', async (onFailure) => {
    const world = await playWorld({ profiles: profiles.map((profile) => ({ ...profile, onFailure })) });
    world.opsWorksCm.setStatus('ChefServer', 'FAILED');
    world.autoScaling.launch('web', 1);
    await world.clock.advance(30 * MINUTE);
    expect(world.machines.executions(world.retireNodeArn)).toEqual([]);
    expect(registrations(world)).toHaveLength(1);
    const [item] = await ledgerOfInstances(world);
    expect(item).toMatchObject({ status: 'failed', lastError: expect.stringContaining('that is left as it is.') });
  });
});
