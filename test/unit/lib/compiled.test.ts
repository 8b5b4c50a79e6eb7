import { afterEach, describe, expect, it, vi } from 'vitest';
import { exemptions, profiles, profilesIn } from '../../../lib/compiled.ts';
import { InvalidRequest } from '../../../lib/errors.ts';

afterEach(() => vi.unstubAllEnvs());

describe('the profiles of a function', () => {
  it('have the Region of the stack filled in where they name none', () => {
    const web = { name: 'web', match: { autoScalingGroup: 'web-*' } };
    const there = { ...web, name: 'there', regions: ['us-east-1'] };
    vi.stubEnv('MUSTER_PROFILES', JSON.stringify({ profiles: [web, there] }));
    for (const home of ['eu-west-1', 'eu-central-1']) {
      vi.stubEnv('AWS_REGION', home);
      expect(profiles()).toEqual([{ ...web, regions: [home] }, there]);
      expect(profilesIn(home).map(({ name }) => name)).toEqual(['web']);
    }
  });
});

describe('compiled profiles', () => {
  it.each([
    ['a profile', '{"profiles":[{"name":"web","match":{"tags":{"__proto__":"x"}}}],"exemptions":[]}'],
    ['an exemption', '{"profiles":[],"exemptions":[{"match":{"tags":{"__proto__":{"a":"b"}}},"from":["imdsv2"]}]}'],
  ])('are refused where %s has a key that would be lost, and what it restricts with it', (_what, text) => {
    vi.stubEnv('MUSTER_PROFILES', text);
    for (const read of [profiles, exemptions]) {
      expect(read).toThrow(InvalidRequest);
      expect(read).toThrow('The compiled profiles have a key "__proto__".');
    }
  });
});
