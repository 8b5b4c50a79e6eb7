import { describe, expect, it } from 'vitest';
import { associations, changes, launchActions, playWorld, registrations, untilEnded } from './world.ts';

const LAUNCHES = 1000;

describe('a thousand launches at once, at the five calls a second that OpsWorks CM allows', () => {
  it('are all enrolled, none twice and none lost', { timeout: 240_000 }, async () => {
    const world = await playWorld();
    const half = LAUNCHES / 2;
    const instances = [...world.autoScaling.launch('web', half), ...world.autoScaling.launch('database', half)].sort();
    // Each is started twice: by its hook's event, and by Launch Successful, which finds nothing to do.
    const all = await untilEnded(world, 2 * LAUNCHES);
    const enrolled = all.filter(({ outcome }) => outcome === 'enrolled').map(({ instance }) => instance);
    expect(enrolled.sort()).toEqual(instances);
    expect(all.filter(({ outcome }) => outcome === 'ignored')).toHaveLength(LAUNCHES);
    expect(
      associations(world)
        .map(({ nodeName }) => nodeName)
        .sort(),
    ).toEqual(instances);
    expect(registrations(world)).toHaveLength(half);
    expect(changes(world).filter((change) => change === 'opsworks.RegisterInstance')).toHaveLength(half);
    expect(launchActions(world).filter(({ resolvedBy }) => resolvedBy !== 'caller')).toEqual([]);
    expect(world.opsWorksCm.snapshot().throttled).toBeGreaterThan(0);
    expect(world.lambda.deadLetters).toEqual([]);
  });
});
