import { describe, expect, it } from 'vitest';
import { readProfiles } from '../../profiles/file.ts';
import { changes, type Played, playWorld, untilEnded, untilOneEnded } from '../support/world.ts';

const NEW = { availabilityZone: 'eu-west-1a', blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };

function create(world: Played, instanceNames: string[], blueprintId = NEW.blueprintId): void {
  void world.lightsail.createInstances({ ...NEW, blueprintId, instanceNames }, { requestId: 'by-the-test' });
}

function profilesWhere(onFailure: 'continue' | 'fail') {
  return readProfiles('profiles.yml').map((profile) =>
    profile.metadata ? { ...profile, metadata: { ...profile.metadata, onFailure } } : profile,
  );
}

describe('a Lightsail creation of two instances', () => {
  it('locks each of them to IMDSv2, and touches nothing else of them', async () => {
    const world = await playWorld();
    create(world, ['Blog-1', 'blog-2']);
    const metadata = { httpTokens: 'required', httpEndpoint: 'enabled', httpPutResponseHopLimit: 1, state: 'applied' };
    expect(await untilEnded(world, 2)).toMatchObject([
      { instance: 'Blog-1', platform: 'lightsail', outcome: 'enrolled', profile: 'lightsail', metadata },
      { instance: 'blog-2', platform: 'lightsail', outcome: 'enrolled', profile: 'lightsail', metadata },
    ]);
    const updates = world.calls.filter(({ operation }) => operation === 'UpdateInstanceMetadataOptions');
    expect(updates.map(({ input }) => input)).toHaveLength(2);
    for (const instanceName of ['Blog-1', 'blog-2'])
      expect(updates.map(({ input }) => input)).toContainEqual({ instanceName, httpTokens: 'required' });
  });

  it('enrols again a new instance under a name that was enrolled before', async () => {
    const world = await playWorld();
    create(world, ['blog']);
    await untilEnded(world, 1);
    await world.lightsail.deleteInstance({ instanceName: 'blog' }, { requestId: 'by-the-test' });
    await world.clock.advance(60_000);
    create(world, ['blog']);
    // The one in between retires the first.
    const second = (await untilEnded(world, 3)).at(-1);
    expect(second).toMatchObject({ outcome: 'enrolled', metadata: { httpTokens: 'required' } });
  });

  it('ignores a creation that was refused', async () => {
    const world = await playWorld();
    create(world, ['blog']);
    await world.clock.advance(1000);
    expect(() => create(world, ['blog'])).toThrow('already in use');
    expect(await untilEnded(world, 1)).toHaveLength(1);
    await world.clock.advance(60_000);
    expect(world.machines.executions()).toHaveLength(1);
  });
});

describe('a blueprint whose instances cannot do IMDSv2', () => {
  const lightsail = { blueprintsWithoutImdsV2: { wordpress: 'refuses' as const } };

  it('is enrolled without it where the profile says continue', async () => {
    const world = await playWorld({ lightsail, profiles: profilesWhere('continue') });
    create(world, ['blog'], 'wordpress');
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { httpTokens: 'optional' } });
    expect(world.logs).toContainEqual(
      expect.objectContaining({ message: 'Goes on without IMDSv2, as the profile says', instance: 'blog' }),
    );
  });

  it('fails where the profile says fail, with what Lightsail said', async () => {
    const world = await playWorld({ lightsail, profiles: profilesWhere('fail') });
    create(world, ['blog'], 'wordpress');
    const failed = await untilOneEnded(world);
    expect(failed).toMatchObject({ outcome: 'failed', cause: expect.stringContaining('does not support IMDSv2') });
    expect(failed.cause).toContain('To enrol it, fix this and start enrol-node with {"lightsailInstanceName":');
    expect(world.machines.executions()[0]?.outcome.error).toBe('MetadataOptionsUnsupported');
  });

  it('is asked once, not again and again', async () => {
    const world = await playWorld({ lightsail, profiles: profilesWhere('fail') });
    create(world, ['blog'], 'wordpress');
    await untilOneEnded(world);
    expect(changes(world)).toEqual(['states.StartExecution', 'lightsail.UpdateInstanceMetadataOptions']);
  });
});
