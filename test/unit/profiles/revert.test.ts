import { describe, expect, it } from 'vitest';
import { ClaimedElsewhere, InstanceGone, InstanceNotFound, InvalidRequest } from '../../../lib/errors.ts';
import type { MetadataOptions } from '../../../lib/instance.ts';
import type { LedgerItem } from '../../../lib/ledger-item.ts';
import type { Profile } from '../../../lib/profile.ts';
import {
  decideRevert,
  type Revert,
  type RevertFacts,
  requireChangeable,
  requireThere,
} from '../../../profiles/revert.ts';
import { profileVersion } from '../../../profiles/version.ts';
import { WEB } from '../../support/instance.ts';

const BEFORE: MetadataOptions = {
  state: 'applied',
  httpTokens: 'optional',
  httpEndpoint: 'enabled',
  httpPutResponseHopLimit: 5,
};
const HARDENED: MetadataOptions = { ...BEFORE, httpTokens: 'required', httpPutResponseHopLimit: 1 };

const PROFILE: Profile = {
  name: 'web',
  match: { autoScalingGroup: 'web-*' },
  metadata: { httpTokens: 'required', onFailure: 'continue', lookBackDays: 14, canary: '10%' },
  enrolWithinMinutes: 60,
  onFailure: 'hold',
  abandonLimit: 3,
};

const ITEM: LedgerItem = {
  instance: WEB.instanceId,
  region: WEB.region,
  status: 'enrolled',
  execution: 'enrol-1',
  generation: 4,
  claimedAt: '2031-05-06T12:00:00.000Z',
  profileVersion: 'before',
  metadataBefore: BEFORE,
};

const FACTS: RevertFacts = {
  instance: { ...WEB, metadataOptions: HARDENED },
  item: ITEM,
  isOwned: false,
  profile: PROFILE,
};

const withOptions = (options: Partial<MetadataOptions>) => ({
  instance: { ...WEB, metadataOptions: { ...HARDENED, ...options } },
});
const recalling = (options: Partial<MetadataOptions>) => ({
  item: { ...ITEM, metadataBefore: { ...BEFORE, ...options } },
});
const VERSION = profileVersion(PROFILE);

describe('the decision about a revert', () => {
  it.each<[string, Partial<RevertFacts>, Partial<Revert>]>([
    [
      'sends httpTokens and what else differs',
      {},
      { change: { httpTokens: 'optional', httpPutResponseHopLimit: 5 }, state: 'pending' },
    ],
    [
      'sends httpTokens even when only the hop limit differs',
      withOptions({ httpTokens: 'optional' }),
      { change: { httpTokens: 'optional', httpPutResponseHopLimit: 5 } },
    ],
    [
      'sends the endpoint when it differs',
      { ...withOptions({}), ...recalling({ httpEndpoint: 'disabled' }) },
      { change: { httpTokens: 'optional', httpEndpoint: 'disabled', httpPutResponseHopLimit: 5 } },
    ],
    [
      'leaves an option alone that was not known before',
      recalling({ httpPutResponseHopLimit: null }),
      { change: { httpTokens: 'optional' } },
    ],
    ['sends nothing when all options are back', withOptions(BEFORE), { change: null, state: 'applied' }],
    [
      'is pending while the service applies the options',
      withOptions({ ...BEFORE, state: 'pending' }),
      { change: null, state: 'pending' },
    ],
    ['marks the instance for the version of its profile', {}, { markFor: VERSION }],
    [
      'marks it for the recorded version when no profile matches any more',
      { profile: undefined },
      { markFor: 'before' },
    ],
    [
      'marks it once',
      { item: { ...ITEM, reverted: { at: '2031-05-06T12:00:00.000Z', profileVersion: VERSION } } },
      { markFor: null },
    ],
    [
      'marks it again when its profile has changed',
      { item: { ...ITEM, reverted: { at: '2031-05-06T12:00:00.000Z', profileVersion: 'old' } } },
      { markFor: VERSION },
    ],
  ])('%s', (_sentence, facts, revert) => {
    expect(decideRevert({ ...FACTS, ...facts })).toMatchObject(revert);
  });

  it.each<[string, Partial<RevertFacts>, new (message: string) => Error, string]>([
    ['an instance that is not in the ledger', { item: undefined }, InvalidRequest, 'is not in the ledger'],
    [
      'an instance that Muster has not changed',
      { item: { ...ITEM, metadataBefore: undefined } },
      InvalidRequest,
      'no earlier metadata options',
    ],
    [
      'an instance whose earlier httpTokens is not known',
      recalling({ httpTokens: null }),
      InvalidRequest,
      'Set it by hand',
    ],
    ['an instance that an execution owns', { isOwned: true }, ClaimedElsewhere, 'enrol-1 owns it'],
    [
      'a Lightsail instance that has the name of an earlier one',
      {
        instance: { ...WEB, platform: 'lightsail', launchTime: '2031-05-06T12:00:00.000Z' },
        item: { ...ITEM, launchTime: '2031-05-01T12:00:00.000Z' },
      },
      InvalidRequest,
      'was launched at 2031-05-01T12:00:00.000Z, this one at 2031-05-06T12:00:00.000Z',
    ],
  ])('refuses %s', (_sentence, facts, error, message) => {
    const decide = () => decideRevert({ ...FACTS, ...facts });
    expect(decide).toThrow(error);
    expect(decide).toThrow(message);
  });
});

describe('the instance to revert', () => {
  it.each(['running', 'stopped', 'pending'])('is there while it is %s', (state) => {
    expect(requireThere({ instance: WEB, state }, WEB)).toBe(WEB);
  });

  it.each(['shutting-down', 'terminated'])('is gone when its service says %s', (state) => {
    const look = () => requireThere({ instance: WEB, state }, WEB);
    expect(look).toThrow(InstanceGone);
    expect(look).toThrow(`i-0123456789abcdef0 is ${state}: there is nothing to put back.`);
  });

  it.each([
    ['EC2', WEB, 'EC2 does not show i-0123456789abcdef0 in eu-west-1 now'],
    [
      'Lightsail',
      { platform: 'lightsail', instanceId: 'blog', region: 'us-east-1' },
      'Lightsail does not show blog in us-east-1 now',
    ],
  ] as const)('is not gone because %s does not show it', (_service, ref, sentence) => {
    expect(() => requireThere(undefined, ref)).toThrow(InstanceNotFound);
    expect(() => requireThere(undefined, ref)).toThrow(sentence);
  });

  it('is not changed while an earlier change is being applied', () => {
    expect(() => requireChangeable(WEB)).not.toThrow();
    const pending = { ...WEB, metadataOptions: { ...WEB.metadataOptions, state: 'pending' } } as const;
    expect(() => requireChangeable(pending)).toThrow('are still being changed. Try again in a few seconds.');
  });
});
