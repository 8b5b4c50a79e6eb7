import { describe, expect, it } from 'vitest';
import type { Profile } from '../../lib/profile.ts';
import { readProfiles } from '../../profiles/file.ts';
import { atRest, HOUR, sweep } from '../support/sweeps.ts';
import { type Played, playWorld } from '../support/world.ts';

const DAY = 24 * HOUR;
const [batch] = readProfiles('profiles.yml').filter(({ name }) => name === 'batch') as [Profile];
/** Of no group, so that nothing but a tag says whose an instance is. */
const hardeningOnly = (fields: Partial<Profile> = {}): Profile => {
  const { associate: _, ...profile } = batch;
  return { ...profile, match: { tags: { role: 'batch' } }, ...fields };
};

const launch = (world: Played, region?: string) =>
  world.ec2.launch({ tags: new Map([['role', 'batch']]), ...(region !== undefined && { region }) }).instanceId;

const openOf = (world: Played) =>
  world.ec2
    .snapshot()
    .instances.flatMap(({ InstanceId = '', MetadataOptions }) =>
      MetadataOptions?.HttpTokens === 'optional' ? [InstanceId] : [],
    );

/** A fleet that has run for long, and whom a sweep would harden first. */
async function oldFleet(count: number, profile = hardeningOnly()) {
  const world = await playWorld({ profiles: [profile] });
  for (let launched = 0; launched < count; launched++) launch(world);
  await world.clock.advance(20 * DAY);
  const { rows } = await sweep(world, { dryRun: true });
  return { world, canary: rows.find(({ action }) => action === 'would-start')?.instance ?? '' };
}

/** What sweeps find of the others, hour by hour. */
async function findingsOfOthers(world: Played, canary: string, hours: number) {
  const found = new Set<string>();
  for (let hour = 0; hour < hours; hour++) {
    const { rows } = await sweep(world);
    for (const { instance, finding } of rows) if (instance !== canary) found.add(finding);
    await world.clock.advance(HOUR);
  }
  return [...found];
}

describe('the canary of a sweep', () => {
  it('stops all others when its service refuses its options, sweep after sweep', async () => {
    const { world, canary } = await oldFleet(3);
    const refused = { error: 'UnsupportedOperation', statusCode: 400, match: { InstanceId: canary } };
    world.faults.set([{ service: 'ec2', operation: 'ModifyInstanceMetadataOptions', ...refused }]);
    expect(await findingsOfOthers(world, canary, 30)).toEqual(['after-canary']);
    expect(openOf(world)).toHaveLength(3);
  });

  it('is waited for while it is being enrolled', async () => {
    const { world, canary } = await oldFleet(3);
    const busy = { error: 'InternalError', statusCode: 500, match: { InstanceId: canary } };
    world.faults.set([{ service: 'ec2', operation: 'ModifyInstanceMetadataOptions', ...busy }]);
    await sweep(world);
    await world.clock.advance(5_000);
    const { rows, profiles } = await sweep(world);
    expect(profiles).toMatchObject([{ counts: { underWay: 1 } }]);
    expect(rows.map(({ finding, reason }) => [finding, reason])).toEqual(
      Array(2).fill(['after-canary', `${canary} is to be hardened before it.`]),
    );
  });

  it('that is terminated is not followed within a day, and then by one other alone', async () => {
    const { world, canary } = await oldFleet(5);
    await sweep(world);
    await atRest(world);
    world.ec2.terminate(canary);
    expect(await findingsOfOthers(world, canary, 23)).toEqual(['after-canary']);
    expect(openOf(world)).toHaveLength(4);
    await world.clock.advance(HOUR);
    await sweep(world);
    await atRest(world);
    expect(openOf(world)).toHaveLength(3);
  });

  it('whose options were put back stops all others, also when it is stopped itself', async () => {
    const { world, canary } = await oldFleet(3);
    await sweep(world);
    await atRest(world);
    await world.lambda.invoke('muster-dev-revert-metadata', { instanceId: canary });
    world.ec2.stop(canary);
    await world.clock.advance(2 * DAY);
    expect(await findingsOfOthers(world, canary, 2)).toEqual(['after-canary']);
    expect(openOf(world)).toHaveLength(3);
  });
});

describe('a sweep that could not see all of a fleet', () => {
  it('closes IMDSv1 on nobody of it: the canary may be in the part that was not seen', async () => {
    const world = await playWorld({ profiles: [hardeningOnly({ regions: ['eu-west-1', 'us-east-1'] })] });
    for (const region of ['eu-west-1', 'us-east-1']) launch(world, region);
    await world.clock.advance(20 * DAY);
    world.faults.set([{ service: 'ec2', operation: 'DescribeInstances', error: 'InternalError', skip: 1, times: 3 }]);
    const { rows, profiles } = await sweep(world);
    expect(profiles).toMatchObject([{ status: 'stopped' }]);
    expect(rows).toMatchObject([
      {
        finding: 'unknown',
        action: 'nothing',
        reason: expect.stringContaining('Not all of its fleet could be listed'),
      },
    ]);
    expect(openOf(world)).toHaveLength(2);
  });
});

describe('an enrolment that is tried again', () => {
  it('does not close IMDSv1 where that was refused before and is used now', async () => {
    const { associate } = batch;
    const profile = hardeningOnly({ ...(associate && { associate }), enrolWithinMinutes: 30 });
    const metadata = { ...profile.metadata, httpTokens: 'required', onFailure: 'continue', canary: '100%' } as const;
    const world = await playWorld({ profiles: [{ ...profile, metadata: { lookBackDays: 14, ...metadata } }] });
    const instance = launch(world);
    await world.clock.advance(20 * DAY);
    world.faults.set([
      { service: 'ec2', operation: 'ModifyInstanceMetadataOptions', error: 'UnsupportedOperation', statusCode: 400 },
      { service: 'ssm', operation: 'SendCommand', error: 'InvalidInstanceId' },
    ]);
    await sweep(world);
    await atRest(world);
    expect(await world.ledger()).toMatchObject([{ status: 'failed', metadataUnsupported: expect.any(String) }]);
    world.faults.set([]);
    world.ec2.countMetadataNoToken(instance, 500);
    await world.clock.advance(HOUR);
    expect(await sweep(world)).toMatchObject({
      rows: [{ instance, action: 'started', reason: expect.stringContaining('500 calls') }],
    });
    await atRest(world);
    expect(await world.ledger()).toMatchObject([{ status: 'enrolled' }]);
    expect(openOf(world)).toEqual([instance]);
  });
});
