import { describe, expect, it } from 'vitest';
import { readProfiles } from '../../../profiles/file.ts';
import { atRest, HOUR, sweep } from '../../support/sweeps.ts';
import { changes, ledgerOfInstances, type Played, playWorld, untilOneEnded } from '../../support/world.ts';

const IMAGE = { availabilityZone: 'eu-west-1a', blueprintId: 'wordpress', bundleId: 'nano_3_0' };
const HARDENED = { outcome: 'enrolled', metadata: { httpTokens: 'required', state: 'applied' } };

/** Of a profile that goes on without IMDSv2 where an instance cannot do it. */
const CONTINUING = readProfiles('profiles.yml').map((profile) =>
  profile.metadata ? { ...profile, metadata: { ...profile.metadata, onFailure: 'continue' as const } } : profile,
);

function create(world: Played): void {
  void world.lightsail.createInstances({ ...IMAGE, instanceNames: ['blog'] }, { requestId: 'by-the-test' });
}

function updates(world: Played): string[] {
  return changes(world).filter((call) => call === 'lightsail.UpdateInstanceMetadataOptions');
}

describe('a failure of Lightsail itself', () => {
  it.each([
    ['UpdateInstanceMetadataOptions', 'OperationFailureException', 5],
    ['UpdateInstanceMetadataOptions', 'AccountSetupInProgressException', 5],
    ['UpdateInstanceMetadataOptions', 'RegionSetupInProgressException', 5],
    ['GetInstance', 'AccountSetupInProgressException', 5],
    ['GetInstance', 'RegionSetupInProgressException', 5],
    ['GetInstance', 'OperationFailureException', 5],
    ['GetOperation', 'OperationFailureException', 3],
    ['GetOperation', 'RegionSetupInProgressException', 3],
    ['GetOperation', 'NotFoundException', 1],
  ])('(%s answers %s) is waited out, and says nothing about the instance', async (operation, error, times) => {
    const world = await playWorld({ profiles: CONTINUING });
    world.faults.set([{ service: 'lightsail', operation, error, times }]);
    create(world);
    expect(await untilOneEnded(world)).toMatchObject(HARDENED);
    expect(world.faults.list()).toEqual([]);
    expect(await ledgerOfInstances(world)).not.toMatchObject([{ metadataUnsupported: expect.anything() }]);
  });

  it('(an operation that ends with Failed) has the options sent again', async () => {
    const blueprintsWithoutImdsV2: Record<string, 'fails'> = { wordpress: 'fails' };
    const world = await playWorld({ profiles: CONTINUING, lightsail: { blueprintsWithoutImdsV2 } });
    create(world);
    await world.clock.advance(120_000);
    expect(updates(world).length).toBeGreaterThan(0);
    delete blueprintsWithoutImdsV2.wordpress;
    expect(await untilOneEnded(world)).toMatchObject(HARDENED);
    expect(updates(world).length).toBeGreaterThan(1);
  });

  it('that lasts until the deadline is reported as that, with what Lightsail said', async () => {
    const world = await playWorld({
      profiles: CONTINUING,
      lightsail: { blueprintsWithoutImdsV2: { wordpress: 'fails' } },
    });
    create(world);
    expect(await untilOneEnded(world)).toMatchObject({
      outcome: 'failed',
      cause: expect.stringContaining('failed: "The blueprint wordpress does not support IMDSv2."'),
    });
    expect(world.machines.executions()[0]?.outcome.error).toBe('DeadlinePassed');
  });
});

describe('a failure of EC2 or Auto Scaling itself', () => {
  it.each([
    ['ec2', 'ModifyInstanceMetadataOptions', 'IncorrectInstanceState'],
    ['ec2', 'ModifyInstanceMetadataOptions', 'IncorrectState'],
    ['ec2', 'DescribeInstances', 'IncorrectState'],
    ['autoscaling', 'DescribeLifecycleHooks', 'ResourceContentionFault'],
    ['autoscaling', 'CompleteLifecycleAction', 'ResourceContentionFault'],
  ])('(%s answers %s with %s) is waited out', async (service, operation, error) => {
    const world = await playWorld({ profiles: CONTINUING });
    world.faults.set([{ service, operation, error, times: 5 }]);
    world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { HttpTokens: 'required' } });
    expect(world.faults.list()).toEqual([]);
  });
});

describe('a sweep', () => {
  it('lists and counts an instance on which IMDSv1 stays open because its service refuses the options', async () => {
    const world = await playWorld({
      profiles: CONTINUING,
      lightsail: { blueprintsWithoutImdsV2: { wordpress: 'refuses' } },
    });
    create(world);
    await untilOneEnded(world);
    await world.clock.advance(HOUR);
    const { rows, profiles } = await sweep(world);
    expect(rows).toMatchObject([
      {
        instance: 'blog',
        finding: 'still-on-imdsv1',
        action: 'nothing',
        reason: expect.stringMatching(/^IMDSv1 stays open on it: Lightsail refuses .* does not support IMDSv2\."\./),
      },
    ]);
    expect(profiles.find(({ profile }) => profile === 'lightsail')?.counts).toMatchObject({
      ...{ instances: 1, enrolled: 1, hardened: 0, stillOnImdsV1: 1 },
    });
  });

  it('counts and lists an instance on which its profile leaves IMDSv1 open', async () => {
    const profiles = CONTINUING.map((profile) =>
      profile.metadata ? { ...profile, metadata: { ...profile.metadata, httpTokens: 'optional' as const } } : profile,
    );
    const world = await playWorld({ profiles });
    create(world);
    await untilOneEnded(world);
    await world.clock.advance(HOUR);
    const report = await sweep(world);
    expect(report.rows).toMatchObject([{ instance: 'blog', finding: 'imdsv1-open', action: 'nothing' }]);
    expect(report.profiles.find(({ profile }) => profile === 'lightsail')?.counts).toMatchObject({
      ...{ instances: 1, enrolled: 1, imdsV1Open: 1, stillOnImdsV1: 0 },
    });
  });

  it('counts an exempt instance with IMDSv1 open among those with IMDSv1 open', async () => {
    const exemption = { match: { name: 'blog' }, from: ['imdsv2' as const], owner: 'web', reason: 'old agent' };
    const world = await playWorld({ profiles: CONTINUING, exemptions: [{ ...exemption, expires: '2031-12-31' }] });
    create(world);
    await untilOneEnded(world);
    await world.clock.advance(HOUR);
    const report = await sweep(world);
    expect(report.rows).toMatchObject([{ instance: 'blog', finding: 'exempt' }]);
    expect(report.profiles.find(({ profile }) => profile === 'lightsail')?.counts).toMatchObject({ imdsV1Open: 1 });
  });

  it('starts again what failed by the fault of Lightsail itself', async () => {
    const blueprintsWithoutImdsV2: Record<string, 'fails'> = { wordpress: 'fails' };
    const world = await playWorld({ profiles: CONTINUING, lightsail: { blueprintsWithoutImdsV2 } });
    create(world);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'failed' });
    const first = await sweep(world);
    expect(first.rows).toMatchObject([{ instance: 'blog', finding: 'drifting', action: 'started' }]);
    expect(first.profiles.find(({ profile }) => profile === 'lightsail')?.counts).toMatchObject({ hardened: 0 });
    delete blueprintsWithoutImdsV2.wordpress;
    await atRest(world);
    expect(world.lightsail.instance('blog')?.metadataOptions).toMatchObject({ httpTokens: 'required' });
  });
});

describe('a definitive refusal', () => {
  it.each(['UnsupportedOperation', 'InvalidParameterValue', 'InvalidParameterCombination'])(
    'of EC2 (%s) is about the instance: the profile goes on without',
    async (error) => {
      const world = await playWorld({ profiles: CONTINUING });
      world.faults.set([{ service: 'ec2', operation: 'ModifyInstanceMetadataOptions', error }]);
      world.autoScaling.launch('web', 1);
      expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { HttpTokens: 'optional' } });
      expect(await ledgerOfInstances(world)).toMatchObject([{ metadataUnsupported: expect.stringContaining('EC2') }]);
    },
  );

  it('of Lightsail (InvalidInputException) is about the instance too', async () => {
    const world = await playWorld({
      profiles: CONTINUING,
      lightsail: { blueprintsWithoutImdsV2: { wordpress: 'refuses' } },
    });
    create(world);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { httpTokens: 'optional' } });
    expect(await ledgerOfInstances(world)).toMatchObject([
      { metadataUnsupported: expect.stringContaining('does not support IMDSv2') },
    ]);
  });
});
