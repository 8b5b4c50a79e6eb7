import { describe, expect, it } from 'vitest';
import { sized } from '../support/size.ts';
import { deploy, enrolledFleet, HOUR, loseEvents, startsOf, sweep } from '../support/sweeps.ts';
import { associations, outcomes, type Played, playWorld, registrations } from '../support/world.ts';

/** Ends instances without anybody hearing of it, long enough ago for EC2 to have forgotten them. */
async function endUnheard(world: Played, instances: readonly string[]): Promise<void> {
  for (const instance of instances) world.ec2.terminate(instance);
  await world.clock.advance(2 * HOUR);
}

/** Of these instances only: the group replaces them, and the launches of the replacements expire in their hook. */
const retirements = (world: Played, instances: readonly string[]) =>
  startsOf(world).filter((start) => instances.some((instance) => start === `retire-node ${instance}`));
const alerts = (world: Played) => outcomes(world).filter(({ detailType }) => detailType === 'Fleet Sweep Alert');

async function itemOf(world: Played, instance: string) {
  return (await world.ledger()).find((item) => item.instance === instance);
}

const missingSince = async (world: Played, instance: string) => (await itemOf(world, instance))?.missingSince;
const statusOf = async (world: Played, instance: string) => (await itemOf(world, instance))?.status;

describe('a node whose instance is gone, and nobody has told', () => {
  it('is marked by one sweep, asked for by its id and retired by the next, and known no more', async () => {
    const { world, instances } = await enrolledFleet(3);
    const [instance = ''] = instances;
    await endUnheard(world, [instance]);
    const first = await sweep(world);
    expect(first.rows.filter(({ finding }) => finding === 'gone')).toMatchObject([
      { instance, action: 'later', reason: expect.stringContaining('The next sweep looks it up by name') },
    ]);
    expect(await missingSince(world, instance)).toBe(first.startedAt);
    expect(retirements(world, instances)).toEqual([]);

    await world.clock.advance(HOUR);
    const second = await sweep(world);
    expect(second.rows.filter(({ finding }) => finding === 'gone')).toMatchObject([
      { instance, action: 'started', starts: 'retire-node' },
    ]);
    await world.clock.advance(HOUR);
    expect(associations(world).map(({ nodeName }) => nodeName)).not.toContain(instance);
    expect(registrations(world).filter(({ ec2InstanceId }) => ec2InstanceId === instance)).toEqual([]);
    expect((await sweep(world)).rows.filter((row) => row.instance === instance)).toEqual([]);
    expect(retirements(world, instances)).toEqual([`retire-node ${instance}`]);
  });

  it('is not retired by a sweep that follows within minutes: that is no second look', async () => {
    const { world, instances } = await enrolledFleet(1);
    const [instance = ''] = instances;
    await endUnheard(world, instances);
    const first = await sweep(world);
    await world.clock.advance(60_000);
    await sweep(world);
    expect(retirements(world, instances)).toEqual([]);
    expect(await missingSince(world, instance)).toBe(first.startedAt);
  });

  it('is only said to be retired in a dry run, and not marked either', async () => {
    const { world, instances } = await enrolledFleet(1);
    const [instance = ''] = instances;
    await endUnheard(world, instances);
    await sweep(world, { dryRun: true });
    expect(await missingSince(world, instance)).toBeUndefined();
    await sweep(world);
    await world.clock.advance(HOUR);
    expect((await sweep(world, { dryRun: true })).rows).toContainEqual(
      expect.objectContaining({ instance, finding: 'gone', action: 'would-start' }),
    );
    expect(retirements(world, instances)).toEqual([]);
  });

  it('is not retired when its service does not answer: an error is never "absent"', async () => {
    const { world, instances } = await enrolledFleet(1);
    const [instance = ''] = instances;
    await endUnheard(world, instances);
    await sweep(world);
    await world.clock.advance(HOUR);
    world.faults.set([
      { service: 'ec2', operation: 'DescribeInstances', error: 'InternalError', match: { InstanceIds: instance } },
    ]);
    const { rows, alerts: told } = await sweep(world);
    expect(rows).toContainEqual(expect.objectContaining({ instance, finding: 'not-listed', action: 'nothing' }));
    expect(told).toEqual([
      expect.stringContaining(`${instance}: It is not listed, and its service could not be asked for it.`),
    ]);
    expect(retirements(world, instances)).toEqual([]);
  });
});

describe('an instance that is gone while its enrolment still waits', () => {
  it('is retired by the second sweep that misses it, and its enrolment is stopped', async () => {
    const world = await playWorld({ nodes: { agentUpAfterSeconds: 1e9 } });
    deploy(({ profiles }) => {
      for (const profile of profiles) profile.enrolWithinMinutes = 2880;
    });
    const [instance = ''] = world.autoScaling.launch('batch-nightly', 1);
    await world.clock.advance(600_000);
    loseEvents(world);
    await endUnheard(world, [instance]);
    await sweep(world);
    expect(await statusOf(world, instance)).toBe('enrolling');
    await world.clock.advance(HOUR);
    const { rows } = await sweep(world);
    expect(rows).toContainEqual(expect.objectContaining({ instance, finding: 'gone', starts: 'retire-node' }));
    await world.clock.advance(HOUR);
    expect(await statusOf(world, instance)).toBe('retired');
    const enrolments = world.machines.executions(world.enrolNodeArn).filter((one) => one.inputText.includes(instance));
    expect(enrolments.map(({ status }) => status)).toEqual(['ABORTED']);
  });
});

describe('a node that was missed', () => {
  it('is taken back when a sweep sees it again', async () => {
    const { world, instances } = await enrolledFleet(1);
    const [instance = ''] = instances;
    deploy(({ profiles }) => {
      for (const { match } of profiles) match.autoScalingGroup &&= `${match.autoScalingGroup}-nowhere`;
    });
    await sweep(world);
    expect(await missingSince(world, instance)).toBeDefined();
    deploy(({ profiles }) => {
      for (const { match } of profiles) match.autoScalingGroup &&= match.autoScalingGroup.replace('-nowhere', '');
    });
    await sweep(world, { profile: 'web' });
    expect(await missingSince(world, instance)).toBeUndefined();
    expect(retirements(world, instances)).toEqual([]);
  });

  it('is not retired while its service still has it, whatever lists it no more', async () => {
    const { world, instances } = await enrolledFleet(1);
    const [instance = ''] = instances;
    deploy(({ profiles }) => {
      for (const { match } of profiles) match.autoScalingGroup &&= `${match.autoScalingGroup}-nowhere`;
    });
    await sweep(world);
    await world.clock.advance(HOUR);
    const { rows } = await sweep(world);
    expect(rows).toMatchObject([{ instance, finding: 'not-listed', action: 'nothing' }]);
    expect(await missingSince(world, instance)).toBeUndefined();
    expect(retirements(world, instances)).toEqual([]);
  });
});

/** More than the twentieth of a fleet that a sweep retires without a person's word. */
const { gone: GONE, most: MOST } = sized({ small: { gone: 12, most: 1 }, full: { gone: 100, most: 5 } });

describe('many nodes that are gone at once', () => {
  it('are not believed: nothing is marked or retired, and one alert says so, sweep after sweep', async () => {
    const { world, instances } = await enrolledFleet(GONE);
    // Or the group replaces them.
    world.autoScaling.setDesiredCapacity('web', 0);
    await endUnheard(world, instances);
    for (const times of [1, 2, 3]) {
      const report = await sweep(world);
      expect(report.alerts).toEqual([expect.stringContaining(`${GONE} of ${GONE} of web (at most ${MOST})`)]);
      expect(report.profiles[0]).toMatchObject({ status: 'swept', counts: { gone: GONE } });
      expect(alerts(world)).toHaveLength(times);
      await world.clock.advance(HOUR);
    }
    expect(alerts(world)[0]?.detail).toMatchObject({ cause: expect.stringContaining('None of them is retired.') });
    expect(retirements(world, instances)).toEqual([]);
    expect((await world.ledger()).filter((item) => item.missingSince)).toEqual([]);
  });

  it('are retired when a person says how many there are', async () => {
    const { world, instances } = await enrolledFleet(12);
    await endUnheard(world, instances);
    deploy((file) => {
      file.sweep.maxRetirements = 12;
    });
    await sweep(world);
    await world.clock.advance(HOUR);
    await sweep(world);
    expect(retirements(world, instances)).toHaveLength(12);
  });
});
