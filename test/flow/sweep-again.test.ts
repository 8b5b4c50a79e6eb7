import { describe, expect, it } from 'vitest';
import type { Profile } from '../../lib/profile.ts';
import { deploy, enrolledFleet, HOUR, loseEvents, startsOf, sweep } from '../support/sweeps.ts';
import { outcomes, type Played, playWorld } from '../support/world.ts';

/** So many attempts of the SDK, and with them the first run of the sweep, end without a report. */
const reportRefusedOnce = { service: 's3', operation: 'PutObject', error: 'InternalError', statusCode: 500, times: 3 };

const alerts = (world: Played) => outcomes(world).filter(({ detailType }) => detailType === 'Fleet Sweep Alert');
/** Ends a group's instances without anybody hearing of it, long enough ago for EC2 to have forgotten them. */
async function endUnheard(world: Played, group = 'web'): Promise<void> {
  world.autoScaling.setDesiredCapacity(group, 0);
  await world.clock.advance(2 * HOUR);
}

const retirements = (world: Played) => startsOf(world).filter((start) => start.startsWith('retire-node'));

describe('a sweep that is run again because its report could not be stored', () => {
  it('takes its own mark for no earlier one: what is gone is retired by the next', async () => {
    const { world, instances } = await enrolledFleet(1);
    const [instance = ''] = instances;
    await endUnheard(world);
    world.faults.set([reportRefusedOnce]);
    expect((await sweep(world)).rows).toMatchObject([{ instance, finding: 'gone', action: 'later' }]);
    expect(retirements(world)).toEqual([]);
  });

  it('starts no more than its pace allows', async () => {
    const world = await playWorld();
    loseEvents(world);
    world.autoScaling.launch('web', 3);
    await world.clock.advance(HOUR / 4);
    deploy((file) => {
      file.sweep.maxStarts = 2;
    });
    world.faults.set([reportRefusedOnce]);
    const { rows } = await sweep(world);
    expect(rows).toMatchObject([{ finding: 'drifting', action: 'later' }]);
    expect(startsOf(world)).toHaveLength(2);
  });

  it('tells of what a person must look at once', async () => {
    const { world } = await enrolledFleet(3);
    await endUnheard(world);
    world.faults.set([reportRefusedOnce]);
    expect((await sweep(world)).alerts).toHaveLength(1);
    expect(alerts(world)).toHaveLength(1);
  });
});

describe('a retirement that a sweep has started', () => {
  it('and that failed before it had claimed its node is named, and started again on the next day', async () => {
    const { world, instances } = await enrolledFleet(1);
    const [instance = ''] = instances;
    await endUnheard(world);
    await sweep(world);
    await world.clock.advance(HOUR);
    world.faults.set([{ service: 'dynamodb', operation: 'GetItem', error: 'AccessDeniedException' }]);
    expect((await sweep(world)).rows).toMatchObject([{ instance, finding: 'gone', action: 'started' }]);
    await world.clock.advance(HOUR);
    world.faults.set([]);
    expect((await sweep(world)).rows).toMatchObject([
      { instance, finding: 'gone', action: 'nothing', reason: expect.stringContaining('already started today') },
    ]);
    await world.clock.advance(24 * HOUR);
    expect((await sweep(world)).rows).toMatchObject([{ instance, finding: 'gone', action: 'started' }]);
    await world.clock.advance(HOUR);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'retired' }]);
  });

  it('and that was stopped by hand is started again, once two sweeps have missed the instance', async () => {
    const { world, instances } = await enrolledFleet(1);
    const [instance = ''] = instances;
    await endUnheard(world);
    await sweep(world);
    await world.clock.advance(HOUR);
    world.opsWorksCm.maintenance('ChefServer', 20 * 3600);
    await sweep(world);
    await world.clock.advance(HOUR / 6);
    const [running] = world.machines
      .executions()
      .filter(({ arn, status }) => arn.includes('retire-node') && status === 'RUNNING');
    world.machines.stop(running?.arn ?? '', { error: 'Operator', cause: 'By mistake.' });
    world.opsWorksCm.setStatus('ChefServer', 'HEALTHY');
    expect((await sweep(world)).rows).toEqual([]);
    await world.clock.advance(HOUR);
    expect((await sweep(world)).rows).toMatchObject([{ instance, finding: 'gone', action: 'later' }]);
    await world.clock.advance(HOUR);
    expect((await sweep(world)).rows).toMatchObject([{ instance, finding: 'gone', action: 'started' }]);
    await world.clock.advance(HOUR);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'retired' }]);
  });
});

describe('an enrolment that was stopped by hand', () => {
  it('is started again by the first sweep after an hour', async () => {
    const world = await playWorld();
    world.opsWorksCm.maintenance('ChefServer', 5 * 3600);
    const [instance = ''] = world.autoScaling.launch('batch-nightly', 1);
    await world.clock.advance(HOUR / 6);
    const [running] = world.machines.executions(world.enrolNodeArn);
    world.machines.stop(running?.arn ?? '', { error: 'Operator', cause: 'By mistake.' });
    world.opsWorksCm.setStatus('ChefServer', 'HEALTHY');
    expect((await sweep(world)).rows).toEqual([]);
    await world.clock.advance(HOUR);
    expect((await sweep(world)).rows).toMatchObject([{ instance, finding: 'drifting', action: 'started' }]);
    await world.clock.advance(HOUR);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'enrolled' }]);
  });

  it('is left alone while it runs, or cannot be asked for', async () => {
    const world = await playWorld();
    world.opsWorksCm.maintenance('ChefServer', 5 * 3600);
    world.autoScaling.launch('web', 1);
    await world.clock.advance(2 * HOUR);
    expect((await sweep(world)).rows).toEqual([]);
    world.faults.set([{ service: 'states', operation: 'DescribeExecution', error: 'ThrottlingException' }]);
    const { rows, alerts } = await sweep(world);
    expect(rows).toEqual([]);
    expect(alerts).toMatchObject([expect.stringMatching(/throttled.*Whether arn:.* still runs is left to the next/)]);
  });
});

describe('nodes of a profile that is no more', () => {
  const rename = () =>
    deploy(({ profiles: [first] }) => {
      if (first) first.name = 'frontend';
    });

  it('are retired when they are gone', async () => {
    const { world, instances } = await enrolledFleet(1);
    const [instance = ''] = instances;
    await endUnheard(world);
    rename();
    expect((await sweep(world)).rows).toMatchObject([{ instance, profile: 'web', finding: 'gone', action: 'later' }]);
    await world.clock.advance(HOUR);
    expect((await sweep(world)).rows).toMatchObject([{ instance, profile: 'web', finding: 'gone', action: 'started' }]);
  });

  it('are looked for only by a sweep that has seen all the others', async () => {
    const { world } = await enrolledFleet(1);
    await endUnheard(world);
    rename();
    expect((await sweep(world, { profile: 'frontend' })).rows).toEqual([]);
    world.faults.set([{ service: 'lightsail', operation: 'GetInstances', error: 'ServiceException', statusCode: 500 }]);
    expect((await sweep(world)).rows).toEqual([]);
    expect((await world.ledger()).filter(({ missingSince }) => missingSince)).toEqual([]);
  });

  it('are, when there are too many of them, named in one alert, and keep no other node from being retired', async () => {
    const { world } = await enrolledFleet(12);
    const [other = ''] = world.autoScaling.launch('database', 1);
    await world.clock.advance(HOUR);
    await sweep(world);
    await world.clock.advance(HOUR);
    world.autoScaling.setDesiredCapacity('database', 0);
    await endUnheard(world);
    rename();
    for (const action of ['later', 'started']) {
      const { rows, alerts: told } = await sweep(world);
      expect(rows.filter(({ profile }) => profile === 'database')).toMatchObject([{ instance: other, action }]);
      expect(told).toEqual([expect.stringContaining('12 of 12 of web, which is no profile any more')]);
      await world.clock.advance(HOUR);
    }
    expect(retirements(world)).toEqual([`retire-node ${other}`]);
  });
});

describe('those whose enrolment has failed before', () => {
  it('come last, and never keep others from being enrolled', async () => {
    const world = await playWorld();
    const [failing = ''] = world.autoScaling.launch('batch-nightly', 1);
    world.faults.set([
      { service: 'ssm', operation: 'SendCommand', error: 'InvalidInstanceId', match: { InstanceIds: failing } },
    ]);
    await world.clock.advance(4 * HOUR);
    expect(await world.ledger()).toMatchObject([{ instance: failing, status: 'failed' }]);
    loseEvents(world);
    const [fresh = ''] = world.autoScaling.launch('batch-nightly', 1);
    await world.clock.advance(HOUR / 4);
    deploy((file) => {
      file.sweep.maxStarts = 1;
    });
    const { rows } = await sweep(world);
    expect(rows.map(({ instance, action }) => [instance, action])).toEqual([
      [fresh, 'started'],
      [failing, 'later'],
    ]);
  });
});

describe('an instance that is enrolled, and whose launch was not finished', () => {
  async function unfinished() {
    const world = await playWorld();
    world.faults.set([{ service: 'autoscaling', operation: 'CompleteLifecycleAction', error: 'AccessDenied' }]);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(HOUR / 2);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'enrolled', errorName: 'PermissionDenied' }]);
    world.faults.set([]);
    loseEvents(world);
    const state = () => world.autoScaling.snapshot().instances.map(({ LifecycleState }) => LifecycleState);
    return { world, instance, state };
  }

  it('is let into service by the next sweep', async () => {
    const { world, instance, state } = await unfinished();
    expect(state()).toEqual(['Pending:Wait']);
    const { rows } = await sweep(world);
    expect(rows).toMatchObject([
      { instance, action: 'started', reason: 'It is enrolled, and its launch still waits in its hook.' },
    ]);
    await world.clock.advance(HOUR / 4);
    expect(state()).toEqual(['InService']);
    expect((await sweep(world)).rows).toEqual([]);
  });

  it('is left alone when its launch waits no more', async () => {
    const { world, instance, state } = await unfinished();
    world.autoScaling.service.operations.CompleteLifecycleAction?.(
      {
        AutoScalingGroupName: 'web',
        LifecycleHookName: 'muster-launch',
        InstanceId: instance,
        LifecycleActionResult: 'CONTINUE',
      } as never,
      {} as never,
    );
    await world.clock.advance(HOUR / 4);
    expect(state()).toEqual(['InService']);
    const { rows, profiles } = await sweep(world);
    expect(rows).toEqual([]);
    expect(profiles[0]).toMatchObject({ counts: { instances: 1, enrolled: 1, drifting: 0 } });
  });
});

describe('a Lightsail instance that was made again under the name of one that is enrolled', () => {
  const image = { availabilityZone: 'eu-west-1a', blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };
  const profile: Profile = {
    name: 'blog',
    match: { lightsail: '*' },
    associate: { engine: 'opsworks-cm', serverName: 'PuppetServer', serverEngine: 'Puppet' },
    metadata: { httpTokens: 'required', onFailure: 'continue', lookBackDays: 14, canary: '100%' },
    enrolWithinMinutes: 60,
    onFailure: 'hold',
    abandonLimit: 3,
  };

  it('waits until the former one is retired, and is enrolled then', async () => {
    const world = await playWorld({ profiles: [profile], nodes: { agentUpAfterSeconds: 5 } });
    const create = async () => {
      void world.lightsail.createInstances({ ...image, instanceNames: ['blog-1'] }, { requestId: 'by-the-test' });
      await world.clock.advance(60_000);
      world.activate('blog-1');
      await world.clock.advance(HOUR);
    };
    await create();
    expect(await world.ledger()).toMatchObject([{ status: 'enrolled', publicKeyFingerprint: expect.anything() }]);
    loseEvents(world);
    await world.lightsail.deleteInstance({ instanceName: 'blog-1' }, { requestId: 'by-the-test' });
    await world.clock.advance(HOUR);
    await create();
    const seen = [];
    for (let hours = 0; hours < 4; hours++) {
      const { rows } = await sweep(world);
      seen.push(rows.map(({ finding, action, starts }) => [finding, action, starts]));
      await world.clock.advance(HOUR);
    }
    const waits = ['unknown', 'nothing', null];
    expect(seen).toEqual([
      [waits, ['gone', 'later', 'retire-node']],
      [waits, ['gone', 'started', 'retire-node']],
      [['drifting', 'started', 'enrol-node']],
      [],
    ]);
    expect(await world.ledger()).toMatchObject([{ instance: 'lightsail/eu-west-1/blog-1', status: 'enrolled' }]);
  });
});
