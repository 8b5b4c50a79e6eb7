import { describe, expect, it } from 'vitest';
import { ESTATE } from '../../local/estate.ts';
import { readProfiles } from '../../profiles/file.ts';
import { type Played, playWorld, untilOneEnded } from '../support/world.ts';

/** The estate, with groups whose instances launch with these options. */
function launchedWith(MetadataOptions: object) {
  return { ...ESTATE, groups: ESTATE.groups.map((group) => ({ ...group, MetadataOptions })) };
}

function sentTo(world: Played) {
  return world.calls.filter(({ operation }) => operation === 'ModifyInstanceMetadataOptions').map(({ input }) => input);
}

describe('IMDSv2 on EC2', () => {
  it('is asked for with the fields that the profile names, and with no other', async () => {
    const world = await playWorld();
    const [InstanceId = ''] = world.autoScaling.launch('database', 1);
    await untilOneEnded(world);
    expect(sentTo(world)).toEqual([{ InstanceId, HttpTokens: 'required' }]);
  });

  it('keeps an endpoint that its owner disabled, and a hop limit that no profile names', async () => {
    const world = await playWorld({ estate: launchedWith({ HttpEndpoint: 'disabled', HttpPutResponseHopLimit: 5 }) });
    world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({
      outcome: 'enrolled',
      metadata: { HttpTokens: 'required', HttpEndpoint: 'disabled', HttpPutResponseHopLimit: 5, State: 'applied' },
    });
  });

  it('sends httpTokens along where only the hop limit differs', async () => {
    const world = await playWorld({ estate: launchedWith({ HttpTokens: 'required', HttpPutResponseHopLimit: 1 }) });
    const [InstanceId = ''] = world.autoScaling.launch('web', 1);
    await untilOneEnded(world);
    expect(sentTo(world)).toEqual([{ InstanceId, HttpTokens: 'required', HttpPutResponseHopLimit: 2 }]);
  });

  it('is sent nothing when it complies already', async () => {
    const world = await playWorld({ estate: launchedWith({ HttpTokens: 'required', HttpPutResponseHopLimit: 2 }) });
    world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled' });
    expect(sentTo(world)).toEqual([]);
  });

  it('switches the endpoint off last and alone, as EC2 takes it', async () => {
    const profiles = readProfiles('profiles.yml').map((profile) =>
      profile.metadata ? { ...profile, metadata: { ...profile.metadata, httpEndpoint: 'disabled' as const } } : profile,
    );
    const world = await playWorld({ profiles });
    const [InstanceId = ''] = world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { HttpEndpoint: 'disabled' } });
    expect(sentTo(world)).toEqual([
      { InstanceId, HttpTokens: 'required' },
      { InstanceId, HttpEndpoint: 'disabled' },
    ]);
  });

  it.each([
    ['continue', 'enrolled', 'optional'],
    ['fail', 'failed', 'optional'],
  ] as const)('that EC2 refuses means what the profile says: %s', async (onFailure, outcome, HttpTokens) => {
    const profiles = readProfiles('profiles.yml').map((profile) =>
      profile.metadata ? { ...profile, metadata: { ...profile.metadata, onFailure } } : profile,
    );
    const world = await playWorld({ profiles });
    world.faults.set([{ service: 'ec2', operation: 'ModifyInstanceMetadataOptions', error: 'UnsupportedOperation' }]);
    world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome, metadata: { HttpTokens } });
  });
});
