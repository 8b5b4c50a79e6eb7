import { describe, expect, it } from 'vitest';
import type { Exemption } from '../../../lib/profile.ts';
import { ESTATE } from '../../../local/estate.ts';
import { HOUR, loseEvents, sweep } from '../../support/sweeps.ts';
import { associations, playWorld, untilOneEnded } from '../../support/world.ts';

const everything = (changes: Partial<Exemption> = {}): Exemption => ({
  match: { name: 'legacy-*' },
  from: ['imdsv2', 'association'],
  owner: 'payments',
  reason: 'It is replaced next month.',
  expires: '2031-06-05',
  ...changes,
});

const OWN_TAGS = { Name: 'legacy-x', team: 'legacy' };

/** An instance with the tags that its role lets it set on itself: among them the name that is exempt. */
async function playTagged(exemption: Exemption) {
  const Tags = Object.entries(OWN_TAGS).map(([Key, Value]) => ({ Key, Value, PropagateAtLaunch: true }));
  const groups = ESTATE.groups.map((group) => ({ ...group, Tags }));
  const world = await playWorld({ exemptions: [exemption], estate: { ...ESTATE, groups } });
  const [instance = ''] = world.autoScaling.launch('web', 1);
  return { world, instance };
}

describe('an instance that names itself as an exemption does', () => {
  it('is enrolled and hardened all the same', async () => {
    const { world, instance } = await playTagged(everything());
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { HttpTokens: 'required' } });
    expect(associations(world)).toMatchObject([{ nodeName: instance }]);
  });

  it('is enrolled by the sweep, too', async () => {
    const { world, instance } = await playTagged(everything());
    loseEvents(world);
    await world.clock.advance(HOUR / 2);
    const { rows } = await sweep(world);
    expect(rows).toMatchObject([{ instance, finding: 'drifting', action: 'started' }]);
  });

  it('is enrolled also where tags exempt that the build would have refused', async () => {
    const { world } = await playTagged(everything({ match: { tags: { team: 'legacy' } } }));
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { HttpTokens: 'required' } });
  });

  it('is exempt where the exemption trusts tags', async () => {
    const { world } = await playTagged(everything({ trusted: 'tags' }));
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { HttpTokens: 'optional' } });
    expect(associations(world)).toEqual([]);
  });
});
