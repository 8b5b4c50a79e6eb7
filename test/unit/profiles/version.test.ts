import { describe, expect, it } from 'vitest';
import { deployed, Profile } from '../../../lib/profile.ts';
import { Associate } from '../../../lib/servers.ts';
import { readProfiles } from '../../../profiles/file.ts';
import { profileVersion } from '../../../profiles/version.ts';

/** As fleets in use have recorded them: a version that changes here enrols every one of their nodes again. */
const RECORDED = {
  web: '2c5532ef42da',
  database: 'c68be4f25302',
  batch: 'e99e94e9bf84',
  lightsail: '42974d3297d1',
};

it('is the same for the shipped profiles as ledgers have recorded it', () => {
  const versions = readProfiles('profiles.yml').map((profile) => [profile.name, profileVersion(profile)]);
  expect(Object.fromEntries(versions)).toEqual(RECORDED);
});

it.each([true, false])('is the same with move: %s as without it', (move) => {
  for (const profile of readProfiles('profiles.yml'))
    expect(profileVersion({ ...profile, move })).toBe(profileVersion(profile));
});

it('is the same once the stack’s own Region is filled in', () => {
  for (const profile of readProfiles('profiles.yml'))
    expect(profileVersion(deployed(profile, 'eu-west-1'))).toBe(profileVersion(profile));
});

describe('the version of a profile of one’s own server', () => {
  const [shipped] = readProfiles('profiles.yml');
  const versionOf = (fields: object) => {
    const secrets = { caSecret: 'ca', keySecret: 'key', retireKeySecret: 'retire' };
    const associate = Associate.parse({ engine: 'puppet', url: 'https://puppet.example:8140', ...secrets, ...fields });
    return profileVersion(Profile.parse({ ...shipped, register: undefined, associate }));
  };

  it('is the recorded one, with the service’s default as without it', () => {
    expect([versionOf({}), versionOf({ service: 'enable' })]).toEqual(['5e9f8f7093df', '5e9f8f7093df']);
  });

  it('is another once the service is to be left alone', () => {
    expect(versionOf({ service: 'leave' })).not.toBe(versionOf({}));
  });
});
