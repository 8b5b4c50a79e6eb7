import { describe, expect, it } from 'vitest';
import { ESTATE } from '../../local/estate.ts';
import { readProfiles } from '../../profiles/file.ts';
import { sized } from '../support/size.ts';
import { associations, enrolments, launchActions, playWorld, untilEnded } from '../support/world.ts';

const LAUNCHES = sized({ small: 100, full: 1000 });

/** What the server's rate does not touch is left out, so that the test takes no longer than it must. */
const profiles = readProfiles('profiles.yml').map(({ register: _, ...profile }) => profile);
const hardened = { MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 2 } } as const;
const estate = { ...ESTATE, groups: ESTATE.groups.map((group) => ({ ...group, ...hardened })) };

describe(`${LAUNCHES} launches at once, at the five calls a second that OpsWorks CM allows`, () => {
  it('are all enrolled, none twice and none lost', { timeout: 600_000 }, async () => {
    const world = await playWorld({ profiles, estate, nodes: { agentUpAfterSeconds: 5 } });
    const instances = world.autoScaling.launch('web', LAUNCHES).sort();
    await untilEnded(world, LAUNCHES);
    await world.clock.advance(60_000);
    // Launch Successful, which comes for each of them as well, has started nothing more.
    const ended = enrolments(world).map(({ outcome, instance }) => `${instance} ${outcome}`);
    expect(ended.sort()).toEqual(instances.map((instance) => `${instance} enrolled`));
    const nodes = associations(world).map(({ nodeName }) => nodeName);
    expect(nodes.sort()).toEqual(instances);
    expect(launchActions(world).filter(({ resolvedBy }) => resolvedBy !== 'caller')).toEqual([]);
    expect(world.opsWorksCm.snapshot().throttled).toBeGreaterThan(0);
    expect(world.lambda.deadLetters).toEqual([]);
  });
});
