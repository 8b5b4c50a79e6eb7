import { describe, expect, it } from 'vitest';
import { endsOf, enrolledWith, refresh, settle } from '../support/re-images.ts';
import { sized } from '../support/size.ts';
import { associations, launchActions, outcomes } from '../support/world.ts';

const INSTANCES = sized({ small: 20, full: 100, whole: 1000 });

describe(`${INSTANCES} instances whose root volumes an instance refresh replaces`, () => {
  it('are all enrolled again, and none by hand', { timeout: 3_600_000 }, async () => {
    const { world, instances } = await enrolledWith('both', INSTANCES, { nodes: { agentUpAfterSeconds: 5 } });
    refresh(world, { MinHealthyPercentage: 50 });
    await settle(world, 3);
    const again = { status: 'enrolled', hasOwnKey: true, isOnOwnDisk: true, associations: ['confirmed'], retired: 1 };
    const ends = (await endsOf(world, instances)).map(({ server: _, ...end }) => end);
    expect(ends).toEqual(instances.map(() => ({ ...again, lifecycle: 'InService' })));
    expect(
      associations(world)
        .map(({ nodeName }) => nodeName)
        .toSorted(),
    ).toEqual(instances.toSorted());
    const told = Map.groupBy(outcomes(world), ({ detailType }) => detailType);
    expect([...told.keys()].toSorted()).toEqual(['Instance Enrolled', 'Instance Re-imaged']);
    expect(
      told
        .get('Instance Re-imaged')
        ?.map(({ detail }) => detail.instance)
        .toSorted(),
    ).toEqual(instances.toSorted());
    expect(launchActions(world).filter(({ resolvedBy }) => resolvedBy !== 'caller')).toEqual([]);
    expect(world.lambda.deadLetters).toEqual([]);
  });
});
