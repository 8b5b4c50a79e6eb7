import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { exemptions as compiledExemptions } from '../../../lib/compiled.ts';
import type { Instance } from '../../../lib/instance.ts';
import { EXEMPTIBLE, type Exemption, type Profile } from '../../../lib/profile.ts';
import { exemptionsOf, exemptParts, isMoreWanted, withoutExempted } from '../../../profiles/exemptions.ts';
import { WEB } from '../../support/instance.ts';

const NOON = '2031-05-06T12:00:00Z';

const web: Instance = { ...WEB, tags: { Name: 'scanner-7', team: 'payments' } };
const blog: Instance = { ...web, platform: 'lightsail', instanceId: 'blog-1', autoScalingGroupName: null, tags: {} };

const exemption = (changes: Partial<Exemption> = {}): Exemption => ({
  match: { instanceId: web.instanceId },
  from: ['imdsv2'],
  owner: 'payments',
  reason: 'Its scanner speaks IMDSv1 only.',
  expires: '2031-06-30',
  ...changes,
});
const isExempt = (one: Exemption, instance = web, at = NOON) => exemptionsOf([one], instance, at).imdsv2 !== null;
const matching = (match: Exemption['match'], instance = web) =>
  isExempt(exemption({ match, trusted: 'tags' }), instance);

describe('whom an exemption means', () => {
  it('is the EC2 instance with that id', () => {
    expect(matching({ instanceId: web.instanceId })).toBe(true);
    expect(matching({ instanceId: 'i-0123456789abcdef1' })).toBe(false);
  });

  it('is a Lightsail instance by its name, and an EC2 instance by its tag Name', () => {
    expect(matching({ name: 'blog-*' }, blog)).toBe(true);
    expect(matching({ name: 'scanner-*' })).toBe(true);
    expect(matching({ name: 'i-*' })).toBe(false);
    expect(matching({ name: '*' }, { ...web, tags: {} })).toBe(false);
    expect(matching({ name: 'other' }, { ...blog, tags: { Name: 'other' } })).toBe(false);
  });

  it('is whoever has all of the tags, with these values', () => {
    expect(matching({ tags: { team: 'payments' } })).toBe(true);
    expect(matching({ tags: { team: 'payments', stage: 'prod' } })).toBe(false);
    expect(matching({ tags: { team: 'Payments' } })).toBe(false);
  });

  it('is nobody of whom one of several things is not true', () => {
    expect(matching({ name: 'scanner-*', tags: { team: 'payments' } })).toBe(true);
    expect(matching({ name: 'scanner-*', tags: { team: 'web' } })).toBe(false);
    expect(matching({ instanceId: web.instanceId, name: 'blog-*' })).toBe(false);
  });

  it('is never another instance, whatever the names and globs are', () => {
    const text = fc.string({ minLength: 1 }).filter((name) => !name.includes('*'));
    fc.assert(
      fc.property(text, text, fc.nat(), (name, suffix, at) => {
        const one = { ...web, tags: { Name: name } };
        const start = name.slice(0, at % name.length);
        expect(matching({ name }, one)).toBe(true);
        expect(matching({ name: `${start}*` }, one)).toBe(true);
        expect(matching({ name: `*${name}*` }, one)).toBe(true);
        expect(matching({ name: `${name}${suffix}` }, one)).toBe(false);
        expect(matching({ name: `${name}*${suffix}` }, one)).toBe(false);
      }),
    );
  });

  it('is decided by every tag that it names', () => {
    const tags = fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true });
    fc.assert(
      fc.property(tags, tags, (wanted, had) => {
        const expected = Object.entries(wanted).every(([key, value]) => Object.hasOwn(had, key) && had[key] === value);
        expect(matching({ tags: wanted }, { ...web, tags: had })).toBe(expected);
      }),
    );
  });
});

describe('an exemption that does not trust tags', () => {
  const exempts = (match: Exemption['match'], instance = web) => isExempt(exemption({ match }), instance);

  it('takes no EC2 instance for its tag Name, which an instance may set itself', () => {
    expect(exempts({ name: 'scanner-*' })).toBe(false);
    expect(exempts({ name: '*' })).toBe(false);
    expect(exempts({ instanceId: web.instanceId, name: 'scanner-*' })).toBe(false);
  });

  it('takes a Lightsail instance by its name, and any instance by its id or by the tags of AWS', () => {
    const inGroup = { ...web, tags: { ...web.tags, 'aws:autoscaling:groupName': 'web' } };
    expect(exempts({ name: 'blog-*' }, blog)).toBe(true);
    expect(exempts({ instanceId: web.instanceId })).toBe(true);
    expect(exempts({ tags: { 'aws:autoscaling:groupName': 'web' } }, inGroup)).toBe(true);
  });

  it('takes nothing by other tags, however it came here', () => {
    expect(exempts({ tags: { team: 'payments' } })).toBe(false);
    expect(exempts({ instanceId: web.instanceId, tags: { team: 'payments' } })).toBe(false);
  });
});

describe('how long an exemption holds', () => {
  it.each([
    ['2031-06-30T23:59:59.999Z', true],
    ['2031-07-01T00:00:00Z', false],
    ['2031-07-01T00:30:00+02:00', true],
    ['2031-06-30T23:30:00-02:00', false],
  ])('at %s one that expires on 2031-06-30: %s', (at, holds) => {
    expect(isExempt(exemption(), web, at)).toBe(holds);
  });

  it.each([
    ['2032-05-06', true],
    ['2032-05-07', false],
    ['2099-12-31', false],
  ])('holds on 2031-05-06 if it expires on %s: %s', (expires, holds) => {
    expect(isExempt(exemption({ expires }))).toBe(holds);
  });

  it('holds through a leap day, and to the end of February after it', () => {
    expect(isExempt(exemption({ expires: '2033-02-28' }), web, '2032-02-29T12:00:00Z')).toBe(true);
    expect(isExempt(exemption({ expires: '2033-03-01' }), web, '2032-02-29T12:00:00Z')).toBe(false);
  });

  it('ends with the last moment of its last day, whatever the day is', () => {
    const days = fc.date({ min: new Date('2030-01-01'), max: new Date('2040-01-01'), noInvalidDate: true });
    fc.assert(
      fc.property(days, fc.integer({ min: 0, max: 86_399_999 }), (day, millisecond) => {
        const expires = day.toISOString().slice(0, 10);
        const midnight = Date.parse(expires) + 86_400_000;
        const at = (instant: number) => isExempt(exemption({ expires }), web, new Date(instant).toISOString());
        expect(at(midnight - 1 - millisecond)).toBe(true);
        expect(at(midnight + millisecond)).toBe(false);
      }),
    );
  });
});

describe('what an exemption is from', () => {
  it('is each part by itself', () => {
    const both = [exemption({ owner: 'a' }), exemption({ owner: 'b', from: ['association'] })];
    expect(exemptionsOf(both, web, NOON)).toMatchObject({ imdsv2: { owner: 'a' }, association: { owner: 'b' } });
    expect(exemptionsOf([], web, NOON)).toEqual({ imdsv2: null, association: null });
  });

  it('is told by the one that lasts longest, and by the first of equals, in any order', () => {
    const all = ['2031-05-10', '2031-09-01', '2031-07-01'].map((expires) => exemption({ expires, owner: expires }));
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: 3 }), (exemptions) => {
        expect(exemptionsOf(exemptions, web, NOON).imdsv2?.owner).toBe('2031-09-01');
      }),
    );
    const equals = [exemption({ owner: 'first' }), exemption({ owner: 'second' })];
    expect(exemptionsOf(equals, web, NOON).imdsv2?.owner).toBe('first');
  });
});

describe('a profile for somebody who is exempt', () => {
  const profile: Profile = {
    name: 'web',
    match: { autoScalingGroup: 'web*' },
    register: { stackId: '4c1c3e2a-8d0e-4c56-9d3e-6f0f5b3f7a11' },
    associate: { engine: 'opsworks-cm', serverName: 'S', serverEngine: 'Puppet' },
    metadata: { httpTokens: 'required', onFailure: 'fail', lookBackDays: 14, canary: '10%' },
    enrolWithinMinutes: 60,
    onFailure: 'hold',
    abandonLimit: 3,
  };
  const exempt = (...from: Exemption['from']) => exemptionsOf([exemption({ from })], web, NOON);

  it('asks for everything but that', () => {
    const { metadata, ...others } = profile;
    const { register, associate, ...hardening } = profile;
    expect(withoutExempted(profile, exempt('imdsv2'))).toEqual(others);
    expect(withoutExempted(profile, exempt('association'))).toEqual(hardening);
    expect(withoutExempted(profile, exemptionsOf([], web, NOON))).toEqual(profile);
  });

  it('is exempt only from what is asked for', () => {
    const { metadata, ...others } = profile;
    expect(exemptParts(profile, exempt('imdsv2', 'association'))).toEqual(['imdsv2', 'association']);
    expect(exemptParts(others, exempt('imdsv2'))).toEqual([]);
  });

  it('wants more of an instance whose exemption is over, and no more of one that is exempt as before', () => {
    const none = exemptionsOf([], web, NOON);
    expect(isMoreWanted(['imdsv2'], none)).toBe(true);
    expect(isMoreWanted(['imdsv2', 'association'], exempt('imdsv2'))).toBe(true);
    expect(isMoreWanted(['imdsv2'], exempt('imdsv2', 'association'))).toBe(false);
    expect(isMoreWanted(undefined, none)).toBe(false);
    expect(isMoreWanted([...EXEMPTIBLE], exempt(...EXEMPTIBLE))).toBe(false);
  });
});

describe('an exemption that was compiled in and cannot be read', () => {
  afterEach(() => vi.unstubAllEnvs());
  const compile = (exemptions: unknown) => vi.stubEnv('MUSTER_PROFILES', JSON.stringify({ profiles: [], exemptions }));

  it.each([
    ['has no day', { expires: undefined }],
    ['has a day that is none', { expires: '2031-02-30' }],
    ['has nobody who answers for it', { owner: ' ' }],
    ['means nobody', { match: {} }],
    ['is from something else', { from: ['patching'] }],
    ['says more than is understood', { until: '2031-06-30' }],
  ])('exempts nobody, and keeps no other from it: it %s', (_what, changes) => {
    const broken = { ...exemption(), ...changes };
    compile([broken, 'nonsense', exemption()]);
    expect(compiledExemptions()).toEqual([exemption()]);
  });

  it('exempts nobody where there is not even a list of them', () => {
    compile({ everybody: true });
    expect(compiledExemptions()).toEqual([]);
    compile(undefined);
    expect(compiledExemptions()).toEqual([]);
  });
});
