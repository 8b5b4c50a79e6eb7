import { describe, expect, it } from 'vitest';
import { InstanceNotReady } from '../../../lib/errors.ts';
import { type DeployedProfile, deployed } from '../../../lib/profile.ts';
import { readProfiles } from '../../../profiles/file.ts';
import { isMemberNeeded, type Sighting, settled } from '../../../profiles/sighting.ts';
import { WEB } from '../../support/instance.ts';

const NOW = '2031-05-06T12:00:00.000Z';
const JUST_NOW = '2031-05-06T11:55:00.000Z';
const LONG_AGO = '2031-05-06T08:00:00.000Z';
const MEMBER = { autoScalingGroupName: 'web-blue', lifecycleState: 'Pending:Wait' };

const [template] = readProfiles('profiles.yml') as [DeployedProfile];
const profile = (fields: Partial<DeployedProfile>): DeployedProfile => {
  const { lifecycleHook: _, ...rest } = template;
  return deployed({ ...rest, ...fields }, 'eu-west-1');
};
const inGroup = profile({ match: { autoScalingGroup: 'web-*' }, lifecycleHook: 'muster-launch' });
const byTags = profile({ match: { tags: { role: 'web' } } });

interface Case {
  platform?: 'ec2' | 'lightsail';
  group?: string | null;
  created?: string;
  announcedAt?: string | null;
  isAnnouncedInGroup?: boolean;
}

function sighting({
  platform = 'ec2',
  group = null,
  created = LONG_AGO,
  announcedAt = null,
  isAnnouncedInGroup = false,
}: Case): Sighting {
  const instance = { ...WEB, platform, autoScalingGroupName: group, createdTime: created };
  return { instance, announcedAt, isAnnouncedInGroup, isAnnouncedInHook: false, now: NOW };
}

describe('Auto Scaling', () => {
  it.each<[string, Case, DeployedProfile[], boolean]>([
    ['is asked about an instance that was just created', { created: JUST_NOW }, [byTags], true],
    ['is asked about an instance whose event just came', { announcedAt: JUST_NOW }, [byTags], true],
    ['is asked about an instance whose announcement names a group', { isAnnouncedInGroup: true }, [byTags], true],
    ['is not asked about an old instance of no group', {}, [inGroup], false],
    ['is asked about a member where a profile has a hook', { group: 'web-blue' }, [byTags, inGroup], true],
    ['is not asked about a member where no profile has a hook', { group: 'web-blue' }, [byTags], false],
    ['is never asked about a Lightsail instance', { platform: 'lightsail', created: JUST_NOW }, [inGroup], false],
  ])('%s', (_sentence, given, profiles, expected) => {
    expect(isMemberNeeded(sighting(given), profiles)).toBe(expected);
  });
});

describe('an instance', () => {
  it.each<[string, Case, typeof MEMBER | undefined, string | null]>([
    ['has the group of its tag', { group: 'web-green' }, MEMBER, 'web-green'],
    ['has the group of Auto Scaling where it shows no tag', {}, MEMBER, 'web-blue'],
    ['has no group where neither says one', {}, undefined, null],
    ['has no group on Lightsail', { platform: 'lightsail', created: JUST_NOW }, undefined, null],
  ])('%s', (_sentence, given, member, group) => {
    expect(settled(sighting(given), member, [inGroup]).autoScalingGroupName).toBe(group);
  });

  it.each<[string, Case, typeof MEMBER | undefined, DeployedProfile[]]>([
    ['is in a group that EC2 does not show', { created: JUST_NOW }, MEMBER, [inGroup]],
    [
      'was announced in a group that no service shows',
      { created: JUST_NOW, isAnnouncedInGroup: true },
      undefined,
      [inGroup],
    ],
    ['lacks tags that a profile asks for', { created: JUST_NOW, group: 'web-blue' }, MEMBER, [byTags, inGroup]],
    ['lacks them after its event', { announcedAt: JUST_NOW, group: 'web-blue' }, MEMBER, [byTags, inGroup]],
  ])('is not ready while it %s', (_sentence, given, member, profiles) => {
    expect(() => settled(sighting(given), member, profiles)).toThrow(InstanceNotReady);
    const later = { ...sighting(given), now: '2031-05-06T12:30:00.000Z' };
    expect(settled(later, member, profiles)).toMatchObject({ instanceId: WEB.instanceId });
  });

  it('is ready at once where no tag decides', () => {
    const given = { created: JUST_NOW, group: 'web-blue' };
    expect(settled(sighting(given), MEMBER, [inGroup])).toEqual(sighting(given).instance);
  });
});
