import { describe, expect, it } from 'vitest';
import { ESTATE } from '../../local/estate.ts';
import { atRest, deploy, enrolledFleet, HOUR, loseEvents, startsOf, sweep, sweepExecution } from '../support/sweeps.ts';
import {
  associations,
  callsOfHandlers,
  changes,
  enrolments,
  launchActions,
  nameOf,
  type Played,
  playWorld,
  untilEnded,
} from '../support/world.ts';

/** A world with one launch of the group, of which nobody has told. */
async function lostLaunch(group = 'web', options: Parameters<typeof playWorld>[0] = {}) {
  const world = await playWorld(options);
  loseEvents(world);
  const [instance = ''] = world.autoScaling.launch(group, 1);
  await world.clock.advance(HOUR / 4);
  return { world, instance };
}

const modified = ({ calls }: Played) =>
  calls.filter(({ operation }) => operation === 'ModifyInstanceMetadataOptions').map(({ input }) => input);

describe('a launch that no event has told', () => {
  it('is found by the next sweep, enrolled, and released from its hook', async () => {
    const { world, instance } = await lostLaunch();
    const report = await sweep(world);
    expect(report.rows).toMatchObject([{ instance, finding: 'drifting', action: 'started', starts: 'enrol-node' }]);
    await atRest(world);
    expect(enrolments(world)[1]).toMatchObject({ instance, outcome: 'enrolled' });
    expect(launchActions(world)).toMatchObject([{ instanceId: instance, result: 'CONTINUE', resolvedBy: 'caller' }]);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'enrolled' }]);
  });

  it('is left to its event while that may still come', async () => {
    const world = await playWorld();
    loseEvents(world);
    world.autoScaling.launch('web', 1);
    await world.clock.advance(60_000);
    const { rows, profiles } = await sweep(world);
    expect(rows).toEqual([]);
    expect(profiles[0]).toMatchObject({ profile: 'web', counts: { instances: 1, underWay: 1, drifting: 0 } });
  });

  it('of a Lightsail instance is found as well, and hardened when it has shown that it needs no IMDSv1', async () => {
    const world = await playWorld();
    loseEvents(world);
    world.lightsail.takeUp({
      instanceNames: ['blog-1'],
      availabilityZone: 'eu-west-1a',
      blueprintId: 'amazon_linux_2023',
      bundleId: 'nano_3_0',
    });
    await world.clock.advance(HOUR);
    expect((await sweep(world)).rows).toMatchObject([{ instance: 'blog-1', platform: 'lightsail', action: 'started' }]);
    await atRest(world);
    expect(world.lightsail.instance('blog-1')?.metadataOptions).toMatchObject({ httpTokens: 'required' });
  });
});

describe('a second sweep', () => {
  it("starts nothing while the first one's enrolments run, and nothing when they have ended", async () => {
    const { world } = await lostLaunch();
    await sweep(world);
    const started = startsOf(world);
    await sweep(world);
    await atRest(world);
    expect((await sweep(world)).rows).toEqual([]);
    expect(startsOf(world)).toEqual(started);
  });
});

describe('a sweep never touches', () => {
  it('an instance that is on its way out of its group, whatever EC2 says of it', async () => {
    const drain = {
      AutoScalingGroupName: 'batch-nightly',
      LifecycleHookName: 'drain',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
    } as const;
    const { world, instance } = await lostLaunch('batch-nightly', {
      estate: { ...ESTATE, hooks: [...ESTATE.hooks, drain] },
    });
    world.autoScaling.setDesiredCapacity('batch-nightly', 0);
    await world.clock.advance(60_000);
    expect(world.ec2.instance(instance)?.state).toBe('running');
    const { rows, profiles } = await sweep(world);
    expect(rows).toEqual([]);
    expect(profiles[2]?.counts).toMatchObject({ underWay: 1, drifting: 0 });
  });

  it('an instance that is stopped', async () => {
    const { world, instance } = await lostLaunch('batch-nightly');
    world.ec2.stop(instance);
    await world.clock.advance(60_000);
    expect(await sweep(world)).toMatchObject({ rows: [], alerts: [] });
  });

  it('an instance that is being enrolled', async () => {
    const world = await playWorld();
    world.opsWorksCm.maintenance('ChefServer', 7200);
    world.autoScaling.launch('web', 1);
    await world.clock.advance(HOUR / 2);
    expect(await sweep(world)).toMatchObject({ rows: [], profiles: [{ counts: { underWay: 1 } }, {}, {}, {}] });
    expect(startsOf(world)).toHaveLength(1);
  });

  it('an instance of a group that no profile matches, or of another profile than it is asked for', async () => {
    const { world } = await lostLaunch('analytics');
    world.autoScaling.launch('web', 1);
    await world.clock.advance(HOUR / 4);
    expect((await sweep(world, { profile: 'database' })).rows).toEqual([]);
    expect(startsOf(world)).toEqual([]);
  });
});

describe('metadata options that have drifted', () => {
  const drifted = async (MetadataOptions: object) => {
    const { world, instances } = await enrolledFleet(1);
    const [InstanceId = ''] = instances;
    const { operations } = world.ec2.service;
    operations.ModifyInstanceMetadataOptions?.({ InstanceId, ...MetadataOptions } as never, {} as never);
    await world.clock.advance(60_000);
    world.calls.length = 0;
    return { world, InstanceId };
  };

  it('are put right where only the hop limit differs, by nothing else, and the node is not asked again', async () => {
    const { world, InstanceId } = await drifted({ HttpPutResponseHopLimit: 1 });
    const { rows } = await sweep(world);
    expect(rows).toMatchObject([
      { finding: 'drifting', reason: expect.stringContaining('httpPutResponseHopLimit is 1, not 2') },
    ]);
    await atRest(world);
    expect(modified(world)).toEqual([{ InstanceId, HttpTokens: 'required', HttpPutResponseHopLimit: 2 }]);
    expect(changes(world)).toEqual(['states.StartExecution', 'ec2.ModifyInstanceMetadataOptions']);
    // IMDSv1 is closed already: nobody has to know whether it was used.
    expect(callsOfHandlers(world).map(nameOf)).not.toContain('cloudwatch.GetMetricData');
    expect(await world.ledger()).toMatchObject([{ status: 'enrolled', associate: { serverName: 'ChefServer' } }]);
    expect((await sweep(world)).rows).toEqual([]);
  });

  it('are put right where only the tokens differ, and an endpoint that its owner disabled stays disabled', async () => {
    const { world, InstanceId } = await drifted({ HttpTokens: 'optional' });
    world.ec2.service.operations.ModifyInstanceMetadataOptions?.(
      { InstanceId, HttpEndpoint: 'disabled' } as never,
      {} as never,
    );
    await world.clock.advance(60_000);
    await sweep(world);
    await atRest(world);
    expect(modified(world)).toEqual([{ InstanceId, HttpTokens: 'required', HttpPutResponseHopLimit: 2 }]);
    expect(world.ec2.instance(InstanceId)?.metadataOptions).toMatchObject({
      HttpTokens: 'required',
      HttpEndpoint: 'disabled',
    });
  });
});

describe('an instance that still uses IMDSv1', () => {
  it('is enrolled without being hardened, says so, and is not hardened by the next sweep either', async () => {
    const { world, instance } = await lostLaunch('batch-nightly');
    world.ec2.countMetadataNoToken(instance, 3);
    await world.clock.advance(HOUR);
    const { rows } = await sweep(world);
    expect(rows).toMatchObject([
      { finding: 'drifting', action: 'started', reason: expect.stringContaining('3 calls') },
    ]);
    await atRest(world);
    expect(associations(world)).toMatchObject([{ nodeName: instance }]);
    expect(modified(world)).toEqual([]);
    const next = await sweep(world);
    expect(next.rows).toMatchObject([{ instance, finding: 'still-on-imdsv1', action: 'nothing' }]);
    expect(next.profiles[2]).toMatchObject({ counts: { stillOnImdsV1: 1, enrolled: 1, hardened: 0 } });
  });
});

describe('an enrolment that has failed', () => {
  async function failed(error: string) {
    const world = await playWorld();
    world.faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', error }]);
    world.autoScaling.launch('batch-nightly', 1);
    await untilEnded(world, 1);
    await world.clock.advance(HOUR);
    world.faults.set([]);
    loseEvents(world);
    return world;
  }

  it('is tried again when its cause passes by itself', async () => {
    const world = await failed('InvalidStateException');
    expect(await world.ledger()).toMatchObject([{ status: 'failed', errorName: 'DeadlinePassed' }]);
    expect((await sweep(world)).rows).toMatchObject([{ finding: 'drifting', action: 'started' }]);
    await atRest(world);
    expect(await world.ledger()).toMatchObject([{ status: 'enrolled' }]);
  });

  it('is left alone when it does not, until its profile changes', async () => {
    const world = await failed('ResourceNotFoundException');
    expect((await sweep(world)).rows).toMatchObject([
      { finding: 'failed', action: 'nothing', reason: expect.stringContaining('start enrol-node by hand') },
    ]);
    deploy(({ profiles }) => {
      for (const profile of profiles) if (profile.metadata) profile.metadata.httpPutResponseHopLimit = 3;
    });
    expect((await sweep(world)).rows).toMatchObject([{ finding: 'drifting', action: 'started' }]);
  });
});

describe('what a sweep is asked', () => {
  it('is only to say what it would do: then it changes nothing', async () => {
    const { world, instance } = await lostLaunch();
    const { dryRun, rows } = await sweep(world, { dryRun: true });
    expect({ dryRun, rows }).toMatchObject({ dryRun: true, rows: [{ instance, action: 'would-start' }] });
    expect(changes(world)).toEqual([]);
    expect(await world.ledger()).toEqual([]);
  });

  it.each([
    [{ profile: 'wbe' }, 'there is no profile "wbe". The profiles are web, database, batch, lightsail.'],
    [{ dryRun: 'yes' }, 'dryRun must be'],
    [{ dryrun: true }, 'Did you mean'],
    [[], 'The input must be an object'],
    ['web', 'The input must be an object'],
    [null, 'The input must be an object'],
  ])('%j is refused in a sentence, and nothing is changed', async (input, sentence) => {
    const { world } = await lostLaunch();
    const { status, outcome } = await sweepExecution(world, input);
    expect(status).toBe('FAILED');
    expect(outcome).toMatchObject({
      error: 'InvalidRequest',
      cause: expect.stringContaining(JSON.stringify(sentence).slice(1, -1)),
    });
    expect(callsOfHandlers(world)).toEqual([]);
  });

  it('can be asked of the function itself', async () => {
    const { world } = await lostLaunch();
    expect(await world.lambda.invoke('muster-dev-sweep', { dryRun: true })).toMatchObject({ dryRun: true });
  });
});

describe('the pace of a sweep', () => {
  it('starts no more than it may, the oldest first, and goes on next time', async () => {
    const world = await playWorld();
    loseEvents(world);
    const launched: string[] = [];
    for (let index = 0; index < 5; index++) {
      launched.push(...world.autoScaling.launch('database', 1));
      await world.clock.advance(10_000);
    }
    await world.clock.advance(HOUR / 4);
    deploy((file) => {
      file.sweep.maxStarts = 2;
    });
    const { rows } = await sweep(world);
    expect(rows.map(({ instance, action }) => [instance, action])).toEqual(
      launched.map((instance, index) => [instance, index < 2 ? 'started' : 'later']),
    );
    await sweep(world);
    expect(startsOf(world)).toEqual(launched.slice(0, 4).map((instance) => `enrol-node ${instance}`));
  });

  it('is not used up by those whose enrolment of today has failed before it was recorded', async () => {
    const world = await playWorld();
    loseEvents(world);
    const launched = world.autoScaling.launch('database', 4).toSorted();
    await world.clock.advance(HOUR / 4);
    deploy((file) => {
      file.sweep.maxStarts = 2;
    });
    const { rows } = await sweep(world, { dryRun: true });
    const first = rows.slice(0, 2).map(({ instance }) => instance);
    const denied = { service: 'ec2', operation: 'DescribeInstances', error: 'UnauthorizedOperation' };
    world.faults.set(first.map((instance) => ({ ...denied, match: { InstanceIds: instance } })));
    await sweep(world);
    await atRest(world);
    const again = await sweep(world);
    expect(again.rows.filter(({ action }) => action === 'nothing').map(({ instance }) => instance)).toEqual(first);
    await atRest(world);
    expect(startsOf(world).toSorted()).toEqual(launched.map((instance) => `enrol-node ${instance}`));
  });
});
