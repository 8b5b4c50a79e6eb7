import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance, MetadataOptions } from '../../../lib/instance.ts';
import type { LedgerItem } from '../../../lib/ledger-item.ts';
import type { Metadata, Profile } from '../../../lib/profile.ts';
import { profileVersion } from '../../../profiles/version.ts';
import { canaryFacts, type FleetMember } from '../../../sweep/canary.ts';
import { hardeningVerdict } from '../../../sweep/hardening.ts';
import { WEB } from '../../support/instance.ts';

const NOON = '2031-05-06T12:00:00.000Z';
const DAY = 24 * 3600 * 1000;
const later = (milliseconds: number) => new Date(Date.parse(NOON) + milliseconds).toISOString();

const profileWith = (metadata: Partial<Metadata> = {}, name = 'web'): Profile => ({
  name,
  match: { autoScalingGroup: 'web*' },
  metadata: { httpTokens: 'required', onFailure: 'continue', lookBackDays: 14, canary: '10%', ...metadata },
  enrolWithinMinutes: 60,
  onFailure: 'hold',
  abandonLimit: 3,
});
const web = profileWith();

const OPEN = WEB.metadataOptions;
const CLOSED: MetadataOptions = { ...OPEN, httpTokens: 'required' };

function instance(number: number, metadataOptions = OPEN): Instance {
  const instanceId = `i-${number.toString(16).padStart(17, '0')}`;
  const launchTime = '2031-01-01T00:00:00.000Z';
  return { ...WEB, instanceId, nodeName: instanceId, launchTime, metadataOptions };
}

const recordOf = (one: Instance, fields: Partial<LedgerItem> = {}): LedgerItem => ({
  instance: one.instanceId,
  region: one.region,
  status: 'enrolled',
  execution: 'arn',
  generation: 1,
  claimedAt: NOON,
  profile: 'web',
  profileVersion: profileVersion(web),
  ...fields,
});

const open = (number: number, fields: Partial<FleetMember> = {}): FleetMember => {
  const one = instance(number);
  return { instance: one, record: recordOf(one), imdsV1Calls: 0, ...fields };
};
/** The same, as a sweep knows it whom nobody has asked for its calls. */
const notAsked = (member: FleetMember, fields: Partial<FleetMember>): FleetMember => {
  return { ...member, imdsV1Calls: null, ...fields };
};
const hardened = ({ instance: one }: FleetMember, fields: Partial<LedgerItem> = {}): FleetMember => {
  return {
    instance: { ...one, metadataOptions: CLOSED },
    record: recordOf(one, { hardenedAt: NOON, ...fields }),
    imdsV1Calls: null,
  };
};
const fleetOf = (size: number) => Array.from({ length: size }, (_, number) => open(number));

const factsOf = (members: readonly FleetMember[], at = NOON, profile = web, gone: readonly LedgerItem[] = []) =>
  canaryFacts(profile, { members, gone }, at);

function verdictOf(
  member: FleetMember,
  fleet: readonly FleetMember[],
  at = NOON,
  profile = web,
  gone: readonly LedgerItem[] = [],
) {
  const { imdsV1Calls, record } = member;
  const context = { profile, at, imdsV1Calls, record, fleet: factsOf(fleet, at, profile, gone) };
  return hardeningVerdict(member.instance, context);
}

/** Who of the fleet may be hardened now. */
const mayOf = (fleet: readonly FleetMember[], at = NOON, profile = web, gone: readonly LedgerItem[] = []) =>
  fleet.filter((member) => member.instance.metadataOptions === OPEN && verdictOf(member, fleet, at, profile, gone).may);

/** The fleet after whoever might be hardened was. */
const sweep = (fleet: readonly FleetMember[], fields: Partial<LedgerItem> = {}, at = NOON) => {
  const first = new Set(mayOf(fleet, at));
  return fleet.map((member) => (first.has(member) ? hardened(member, fields) : member));
};

describe('an instance that runs', () => {
  const alone = (member: FleetMember, profile = web) => verdictOf(member, [member], NOON, profile);

  it('is hardened when its software has not used IMDSv1', () => {
    expect(alone(open(1))).toEqual({ may: true });
  });

  it('is left alone while its software uses IMDSv1, with a sentence that says how often', () => {
    expect(alone(open(1, { imdsV1Calls: 3 }))).toEqual({
      may: false,
      finding: 'still-on-imdsv1',
      reason: expect.stringContaining('3 calls without a token in the last 14 days'),
    });
  });

  it('is left alone while nobody knows whether it uses IMDSv1', () => {
    expect(alone(open(1, { imdsV1Calls: null }), profileWith({ lookBackDays: 1 }))).toEqual({
      may: false,
      finding: 'unknown',
      reason: expect.stringContaining('no data of the last day.'),
    });
  });

  it.each<[string, MetadataOptions, Partial<Metadata>]>([
    ['IMDSv1 is closed on already, whatever else differs', CLOSED, { httpPutResponseHopLimit: 2 }],
    ['nobody can reach its metadata service', { ...OPEN, httpEndpoint: 'disabled' }, {}],
    ['the profile wants IMDSv1 open', OPEN, { httpTokens: 'optional', httpPutResponseHopLimit: 2 }],
  ])('is not asked for its use where %s', (_, metadataOptions, metadata) => {
    const member = { ...open(1, { imdsV1Calls: null }), instance: instance(1, metadataOptions) };
    expect(alone(member, profileWith(metadata))).toEqual({ may: true });
  });

  it.each<[string, MetadataOptions, Partial<Metadata>]>([
    ['its service does not tell its options', { ...OPEN, httpTokens: null, httpEndpoint: null }, {}],
    ['the profile switches the endpoint off', OPEN, { httpTokens: 'optional', httpEndpoint: 'disabled' }],
  ])('is asked for its use where %s', (_, metadataOptions, metadata) => {
    const member = { ...open(1, { imdsV1Calls: 1 }), instance: instance(1, metadataOptions) };
    expect(alone(member, profileWith(metadata))).toMatchObject({ finding: 'still-on-imdsv1' });
  });

  it('whose options were put back stays as it is until its profile changes', () => {
    const one = instance(1);
    const record = recordOf(one, { reverted: { at: NOON, profileVersion: profileVersion(web) } });
    const member = open(1, { record });
    expect(alone(member)).toMatchObject({ finding: 'reverted', reason: expect.stringContaining(NOON) });
    expect(alone(member, profileWith({ httpPutResponseHopLimit: 2 }))).toEqual({ may: true });
  });
});

describe('the canary', () => {
  it('is hardened first, and the others wait for it by name', () => {
    const fleet = fleetOf(40);
    const first = mayOf(fleet);
    expect(first.length).toBeGreaterThan(0);
    expect(first.length).toBeLessThan(20);
    const other = fleet.find((member) => !first.includes(member));
    expect(other && verdictOf(other, fleet)).toMatchObject({
      finding: 'after-canary',
      reason: expect.stringContaining(`${first[0]?.instance.instanceId} is to be hardened before it`),
    });
  });

  it('is followed by the others when a day is over, and not before', () => {
    const fleet = sweep(fleetOf(40));
    expect(mayOf(fleet)).toEqual([]);
    expect(mayOf(fleet, later(DAY - 1))).toEqual([]);
    const others = mayOf(fleet, later(DAY));
    expect(others).toHaveLength(fleet.filter(({ record }) => !record?.hardenedAt).length);
    const [waiting] = others;
    expect(waiting && verdictOf(waiting, fleet)).toMatchObject({
      reason: expect.stringContaining(`The turn of this instance comes at ${later(DAY)}`),
    });
  });

  it('is followed by nobody while an enrolment of it has failed, and the sentence says whose and why', () => {
    const fleet = sweep(fleetOf(40), { status: 'failed', lastError: 'ChefServer refuses it.' });
    expect(mayOf(fleet, later(30 * DAY))).toEqual([]);
    const waiting = fleet.find(({ record }) => !record?.hardenedAt);
    expect(waiting && verdictOf(waiting, fleet, later(2 * DAY))).toMatchObject({
      finding: 'after-canary',
      reason: expect.stringMatching(/^The enrolment of i-.* failed: ChefServer refuses it\.$/),
    });
  });

  it('is followed by nobody while the options of one of it are put back, and the sentence says what to do', () => {
    const reverted = { at: NOON, profileVersion: profileVersion(web) };
    const fleet = sweep(fleetOf(40)).map((member) =>
      member.record?.hardenedAt
        ? { ...member, instance: { ...member.instance, metadataOptions: OPEN }, record: { ...member.record, reverted } }
        : member,
    );
    expect(mayOf(fleet, later(30 * DAY))).toEqual([]);
    const waiting = fleet.find(({ record }) => !record?.hardenedAt);
    expect(waiting && verdictOf(waiting, fleet)).toMatchObject({ reason: expect.stringContaining('from imdsv2, or') });
  });

  it('is followed by nobody while it is still being enrolled', () => {
    expect(mayOf(sweep(fleetOf(40), { status: 'enrolling' }), later(2 * DAY))).toEqual([]);
  });

  it('is followed by nobody while it is enrolled and not hardened yet, which is when nobody has asked for its calls', () => {
    const fleet = fleetOf(40);
    const first = mayOf(fleet);
    const fields = { status: 'enrolling' } as const;
    const under = fleet.map((member) =>
      first.includes(member) ? notAsked(member, { record: recordOf(member.instance, fields) }) : member,
    );
    expect(mayOf(under, later(2 * DAY))).toEqual([]);
  });

  it('is followed by nobody when it failed before anything was changed', () => {
    const fleet = fleetOf(3);
    const [first] = mayOf(fleet);
    const failed = fleet.map((member) =>
      member === first
        ? notAsked(member, { record: recordOf(member.instance, { status: 'failed', lastError: 'Refused.' }) })
        : member,
    );
    expect(mayOf(failed, later(30 * DAY))).toEqual([]);
  });

  it('is not held up by one whose hardening was left out of an enrolment that failed', () => {
    const fleet = fleetOf(3);
    const [first] = mayOf(fleet);
    const failed = fleet.map((member) =>
      member === first
        ? notAsked(member, { record: recordOf(member.instance, { status: 'failed', exempt: ['imdsv2'] }) })
        : member,
    );
    expect(mayOf(failed)).toHaveLength(1);
  });

  describe('that is listed no more', () => {
    const swept = sweep(fleetOf(3));
    const [first] = swept.filter(({ record }) => record?.hardenedAt);
    const others = swept.filter((member) => member !== first);
    const gone = (fields: Partial<LedgerItem>) => [
      recordOf((first as FleetMember).instance, { hardenedAt: NOON, ...fields }),
    ];

    it('is followed by nobody before its day is over, and then by another one alone if it did not live so long', () => {
      const died = gone({ missingSince: later(DAY / 2) });
      expect(mayOf(others, later(1), web, gone({}))).toEqual([]);
      expect(mayOf(others, later(DAY - 1), web, died)).toEqual([]);
      expect(mayOf(others, later(DAY), web, died)).toHaveLength(1);
    });

    it('is followed by all others if it lived through its day, and was retired', () => {
      const retired = gone({ status: 'retired', goneSince: later(DAY) });
      expect(mayOf(others, later(DAY), web, retired)).toHaveLength(2);
    });

    it('is followed by nobody while its enrolment stands as failed, or its options as put back', () => {
      const reverted = { at: NOON, profileVersion: profileVersion(web) };
      for (const fields of [{ status: 'failed' as const }, { reverted }])
        expect(mayOf(others, later(3 * DAY), web, gone({ missingSince: later(2 * DAY), ...fields }))).toEqual([]);
    });
  });

  it('is of those alone that may be hardened: nobody waits for one that is left alone', () => {
    const fleet = fleetOf(40);
    const canary = mayOf(fleet);
    const reverted = { at: NOON, profileVersion: profileVersion(web) };
    const leftAlone = fleet.map((member) => {
      if (!canary.includes(member)) return member;
      const record = recordOf(member.instance, { reverted });
      return member === canary[0] ? { ...member, record } : { ...member, imdsV1Calls: 2 };
    });
    const second = sweep(leftAlone);
    expect(second.filter(({ record }) => record?.hardenedAt)).toHaveLength(1);
    expect(mayOf(second, later(DAY))).toHaveLength(40 - canary.length - 1);
  });

  it('does not count what was hardened at its launch, which nobody waits for either', () => {
    const launched = fleetOf(40).map((member) => hardened(member, { hardenedAt: undefined }));
    const old = [open(1000), open(1001)];
    const fleet = sweep([...launched, ...old]);
    expect(fleet.filter(({ record }) => record?.hardenedAt)).toHaveLength(1);
    expect(mayOf(fleet)).toEqual([]);
    expect(mayOf([...fleet, hardened(open(2000), { hardenedAt: undefined })], later(DAY))).toHaveLength(1);
  });

  it('is everybody at 100%', () => {
    expect(mayOf(fleetOf(40), NOON, profileWith({ canary: '100%' }))).toHaveLength(40);
  });

  it('is others in another profile', () => {
    const ids = (profile: Profile) => [...factsOf(fleetOf(200), NOON, profile).keys];
    expect(ids(profileWith({}, 'api'))).not.toEqual(ids(web));
  });
});

describe('whatever the fleet', () => {
  const share = fc.integer({ min: 1, max: 100 });
  const numbers = (minLength: number, maxLength: number) =>
    fc.uniqueArray(fc.integer({ min: 0, max: 2 ** 40 }), { minLength, maxLength });

  it('somebody goes first, and the same in whatever order the fleet is seen', () => {
    fc.assert(
      fc.property(numbers(1, 60), share, fc.infiniteStream(fc.integer()), (fleet, percent, order) => {
        const profile = profileWith({ canary: `${percent}%` });
        const members = fleet.map((number) => open(number));
        const shuffled = members
          .map((member) => ({ member, key: order.next().value ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ member }) => member);
        const { keys } = factsOf(members, NOON, profile);
        expect(keys.size).toBeGreaterThan(0);
        expect(new Set(factsOf(shuffled, NOON, profile).keys)).toEqual(new Set(keys));
      }),
    );
  });

  it('who is within the share stays so when others come and go', () => {
    fc.assert(
      fc.property(numbers(30, 60), fc.integer({ min: 0, max: 29 }), (fleet, gone) => {
        const members = fleet.map((number) => open(number));
        const before = factsOf(members).keys;
        const without = members.filter((_, index) => index !== gone);
        const after = factsOf(without).keys;
        const stayed = without.filter(({ instance: { instanceId } }) => before.has(instanceId));
        expect(stayed.every(({ instance: { instanceId } }) => after.has(instanceId))).toBe(true);
      }),
    );
  });

  it('the share is near the per cent', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 40 }), share, (from, percent) => {
        const profile = profileWith({ canary: `${percent}%` });
        const members = Array.from({ length: 1000 }, (_, index) => open(from + index));
        const expected = 1000 * (percent / 100);
        // Six standard deviations of as many throws.
        const tolerance = 6 * Math.sqrt(1000 * (percent / 100) * (1 - percent / 100)) + 1;
        expect(Math.abs(factsOf(members, NOON, profile).keys.size - expected)).toBeLessThan(tolerance);
      }),
      { numRuns: 30 },
    );
  });

  it('nobody else is hardened before the last of the canary is so for a day', () => {
    const hours = fc.array(fc.integer({ min: 0, max: 72 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(numbers(20, 60), hours, fc.integer({ min: 0, max: 120 }), (fleet, hardenedAfter, hour) => {
        const members = fleet.map((number) => open(number));
        const first = mayOf(members);
        const swept = members.map((member) => {
          const index = first.indexOf(member);
          const hoursLater = (hardenedAfter[index % hardenedAfter.length] ?? 0) * 3_600_000;
          return index < 0 ? member : hardened(member, { hardenedAt: later(hoursLater) });
        });
        const used = first.map((_, index) => hardenedAfter[index % hardenedAfter.length] ?? 0);
        const due = Math.max(...used) + 24;
        const others = swept.filter(({ record }) => !record?.hardenedAt).length;
        expect(mayOf(swept, later(hour * 3_600_000))).toHaveLength(hour >= due ? others : 0);
      }),
    );
  });

  it('whoever used IMDSv1, or of whom nobody knows, is never hardened', () => {
    const calls = fc.option(fc.integer({ min: 0, max: 3 }));
    fc.assert(
      fc.property(fc.array(calls, { minLength: 1, maxLength: 40 }), fc.integer({ min: 0, max: 96 }), (used, hour) => {
        let fleet = used.map((imdsV1Calls, number) => open(number, { imdsV1Calls }));
        for (const at of [NOON, later(hour * 3_600_000), later(100 * DAY)]) {
          expect(mayOf(fleet, at).every(({ imdsV1Calls }) => imdsV1Calls === 0)).toBe(true);
          fleet = sweep(fleet, {}, at);
        }
        expect(fleet.filter(({ record }) => record?.hardenedAt)).toHaveLength(
          used.filter((count) => count === 0).length,
        );
      }),
    );
  });
});
