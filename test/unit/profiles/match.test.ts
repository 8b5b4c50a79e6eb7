import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../lib/instance.ts';
import { deployed, type Profile } from '../../../lib/profile.ts';
import { matchProfile, profilesForGroup } from '../../../profiles/match.ts';
import { profileVersion } from '../../../profiles/version.ts';
import { WEB } from '../../support/instance.ts';

const instance: Instance = { ...WEB, tags: { role: 'web' } };
const named = (name: string, match: Profile['match']): Profile => ({
  name,
  match,
  enrolWithinMinutes: 60,
  onFailure: 'hold',
  abandonLimit: 3,
  metadata: { httpTokens: 'required', onFailure: 'continue', lookBackDays: 14, canary: '10%' },
});
const matched = (profiles: Profile[], one: Instance = instance) => {
  const here = profiles.map((profile) => deployed(profile, 'eu-west-1'));
  return matchProfile(here, one)?.name;
};

describe('the profiles for a group', () => {
  const names = (profiles: Profile[], group: string) => profilesForGroup(profiles, group).map(({ name }) => name);

  it('are those that its name allows, up to the first that asks for nothing else', () => {
    const profiles = [
      named('blogs', { lightsail: '*' }),
      named('databases', { autoScalingGroup: 'db-*' }),
      named('tagged', { tags: { role: 'web' } }),
      named('webs', { autoScalingGroup: 'web-*' }),
      named('rest', { autoScalingGroup: '*' }),
    ];
    expect(names(profiles, 'web-blue')).toEqual(['tagged', 'webs']);
    expect(names(profiles, 'batch')).toEqual(['tagged', 'rest']);
    expect(names(profiles.slice(0, 2), 'batch')).toEqual([]);
  });

  it('are never without the one that matches a member, whatever its tags are', () => {
    const tags = fc.dictionary(fc.constantFrom('role', 'stage'), fc.constantFrom('web', 'db'));
    const match = fc.oneof(
      fc.record({ autoScalingGroup: fc.constantFrom('*', 'web*', '*-blue', 'db'), tags }, { requiredKeys: [] }),
      fc.constant({ lightsail: '*' }),
    );
    const profiles = fc.array(match).map((all) => all.map((one, index) => named(String(index), one)));
    const groups = fc.constantFrom('web', 'web-blue', 'db', 'db-blue');
    fc.assert(
      fc.property(profiles, groups, tags, (all, autoScalingGroupName, own) => {
        const decides = matched(all, { ...instance, autoScalingGroupName, tags: own });
        expect([...names(all, autoScalingGroupName), undefined]).toContain(decides);
      }),
    );
  });
});

describe('matching', () => {
  it('takes the first profile that matches', () => {
    const profiles = [
      named('a', { autoScalingGroup: 'db-*' }),
      named('b', { autoScalingGroup: 'web-*' }),
      named('c', { tags: { role: 'web' } }),
    ];
    expect(matched(profiles)).toBe('b');
  });

  it('takes a name as it is: only * stands for something else', () => {
    expect(matched([named('a', { autoScalingGroup: 'web.blue' })])).toBeUndefined();
    expect(matched([named('a', { autoScalingGroup: 'web' })])).toBeUndefined();
    expect(matched([named('a', { autoScalingGroup: '*-blue' })])).toBe('a');
  });

  it('wants every tag that the profile names', () => {
    expect(matched([named('a', { tags: { role: 'web', stage: 'prod' } })])).toBeUndefined();
    expect(matched([named('a', { tags: { role: 'web' } })])).toBe('a');
  });

  it('keeps the platforms apart', () => {
    expect(matched([named('a', { lightsail: '*' })])).toBeUndefined();
    const lightsail: Instance = {
      ...instance,
      platform: 'lightsail',
      instanceId: 'blog-1',
      autoScalingGroupName: null,
    };
    expect(matched([named('g', { autoScalingGroup: '*' }), named('l', { lightsail: 'blog-*' })], lightsail)).toBe('l');
  });

  it('takes an instance only where its Region is one of the profile’s', () => {
    const at = (region: string, regions?: string[]) =>
      matched([{ ...named('a', { autoScalingGroup: '*' }), regions }], { ...instance, region });
    expect([at('eu-west-1'), at('us-east-1')]).toEqual(['a', undefined]);
    expect([at('eu-west-1', ['us-east-1']), at('us-east-1', ['us-east-1'])]).toEqual([undefined, 'a']);
    expect([at('eu-west-1', ['us-east-1', 'eu-west-1']), at('eu-west-2', ['us-east-1'])]).toEqual(['a', undefined]);
  });

  it('goes on to the next profile where the first is for other Regions', () => {
    const profiles = [
      { ...named('there', { autoScalingGroup: '*' }), regions: ['us-east-1'] },
      named('here', { autoScalingGroup: '*' }),
    ];
    expect(matched(profiles)).toBe('here');
  });

  it('matches any name against itself, and against itself with a part starred', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.nat(), (name, at) => {
        const one = { ...instance, autoScalingGroupName: name };
        const cut = at % name.length;
        fc.pre(!name.includes('*'));
        expect(matched([named('a', { autoScalingGroup: name })], one)).toBe('a');
        expect(matched([named('a', { autoScalingGroup: `${name.slice(0, cut)}*` })], one)).toBe('a');
        expect(matched([named('a', { autoScalingGroup: `${name}x` })], one)).toBeUndefined();
      }),
    );
  });
});

describe("a profile's version", () => {
  const before: Profile = {
    ...named('a', { tags: { role: 'web' } }),
    register: { stackId: '4c1c3e2a-8d0e-4c56-9d3e-6f0f5b3f7a11' },
  };

  it.each<[string, Partial<Profile>]>([
    ['its stack', { register: { stackId: '5d2d4f3b-9e1f-4d67-8e4f-70106c408b22' } }],
    ['its server', { associate: { engine: 'opsworks-cm', serverName: 'ChefServer', serverEngine: 'ChefAutomate' } }],
    ['where a CSR comes from', { csrFrom: 'node' }],
    ['a metadata option', { metadata: { ...before.metadata, httpTokens: 'optional' } as Profile['metadata'] }],
  ])('changes with %s', (_, change) => {
    expect(profileVersion(structuredClone(before))).toBe(profileVersion(before));
    expect(profileVersion({ ...before, ...change })).not.toBe(profileVersion(before));
  });

  it.each<[string, Partial<Profile>]>([
    ['whom it matches', { match: { tags: { role: 'database' } } }],
    ['its Regions', { regions: ['us-east-1'] }],
    ['its hooks', { lifecycleHook: 'muster-launch', terminationHook: 'muster-terminate' }],
    ['how long an enrolment may take', { enrolWithinMinutes: 61 }],
    ['what a failure means for a launch', { onFailure: 'abandon', abandonLimit: 4 }],
  ])('does not change with %s: nobody is enrolled again for that', (_, change) => {
    expect(profileVersion({ ...before, ...change })).toBe(profileVersion(before));
  });

  it('does not change with how a sweep hardens what already runs', () => {
    const metadata = { ...before.metadata, httpTokens: 'required', onFailure: 'continue' } as const;
    const other = { ...before, metadata: { ...metadata, lookBackDays: 3, canary: '50%' } };
    expect(profileVersion(other)).toBe(profileVersion(before));
  });
});
