import { afterEach, describe, expect, it, vi } from 'vitest';
import { exemptions, profiles } from '../../../lib/config.ts';
import { InvalidRequest } from '../../../lib/errors.ts';

afterEach(() => vi.unstubAllEnvs());

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
