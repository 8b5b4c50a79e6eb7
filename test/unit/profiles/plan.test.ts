import { describe, expect, it } from 'vitest';
import { ClaimedElsewhere, InstanceGone } from '../../../lib/errors.ts';
import type { Instance } from '../../../lib/instance.ts';
import type { LedgerItem } from '../../../lib/ledger-item.ts';
import type { Exemption, Profile } from '../../../lib/profile.ts';
import type { Enrolment } from '../../../lib/state.ts';
import { type EnrolmentFacts, ignoredEnrolment, planEnrolment } from '../../../profiles/plan.ts';
import { profileVersion } from '../../../profiles/version.ts';
import { WEB } from '../../support/instance.ts';

const START = '2031-05-06T12:00:00.000Z';
const NOW = '2031-05-06T12:01:00.000Z';
const STACK = '11111111-2222-4333-8444-555555555555';
const HARDENED: Instance['metadataOptions'] = { ...WEB.metadataOptions, httpTokens: 'required' };
const BLOG: Instance = { ...WEB, platform: 'lightsail', instanceId: 'blog-1', autoScalingGroupName: null };

const CHEF = { engine: 'opsworks-cm', serverName: 'chef-1', serverEngine: 'ChefAutomate' } as const;
const PUPPET = { ...CHEF, serverEngine: 'Puppet' } as const;
const OWN_PUPPET = {
  engine: 'puppet',
  url: 'https://puppet.example.com:8140',
  caSecret: 'ca',
  keySecret: 'key',
  retireKeySecret: 'retire-key',
  firstRun: 'none',
} as const;

const PROFILE: Profile = {
  name: 'web',
  match: { autoScalingGroup: 'web-*' },
  associate: CHEF,
  metadata: { httpTokens: 'required', onFailure: 'continue', lookBackDays: 14, canary: '10%' },
  enrolWithinMinutes: 60,
  onFailure: 'abandon',
  abandonLimit: 3,
};

const EXEMPTION: Exemption = {
  match: {},
  from: ['association'],
  owner: 'ops',
  reason: 'Legacy.',
  expires: '2031-06-01',
};

const ENROLLED: LedgerItem = {
  instance: WEB.instanceId,
  status: 'enrolled',
  execution: 'enrol-0',
  generation: 4,
  claimedAt: '2031-05-01T12:00:00.000Z',
  profile: 'web',
  profileVersion: profileVersion(PROFILE),
  launchTime: null,
  publicKeyFingerprint: 'aa:bb',
};

const FACTS: EnrolmentFacts = {
  instance: WEB,
  profile: PROFILE,
  exempt: { imdsv2: null, association: null },
  hasCsr: false,
  requestedAt: null,
  announcedAt: null,
  hook: null,
  hookTimes: undefined,
  item: undefined,
  isOwnedElsewhere: false,
  task: { execution: 'enrol-1', startTime: START, enteredTime: NOW },
};

const plan = (facts: Partial<EnrolmentFacts> = {}) => planEnrolment({ ...FACTS, ...facts });

describe('the plan of an enrolment', () => {
  it('claims a new instance with its profile and the servers that a retirement will need', () => {
    expect(plan().claim).toMatchObject({
      instance: WEB.instanceId,
      status: 'enrolling',
      execution: 'enrol-1',
      claimedAt: NOW,
      profile: 'web',
      profileVersion: profileVersion(PROFILE),
      associate: CHEF,
      exempt: [],
    });
  });

  it('carries the profile, its failure policy and the deadline', () => {
    expect(plan().enrolment).toMatchObject({
      status: 'enrolling',
      profile: 'web',
      onFailure: 'abandon',
      abandonLimit: 3,
      deadline: '2031-05-06T13:00:00.000Z',
    });
  });

  const all = { check: false, hardening: true, identity: 'node', registration: false, association: true } as const;
  it.each<[string, Partial<EnrolmentFacts>, Partial<Enrolment['wants']>]>([
    ['hardens and associates a Chef node, and installs nothing on it', {}, { ...all, installation: false }],
    [
      'installs the certificate on a Puppet node under OpsWorks CM',
      { profile: { ...PROFILE, associate: PUPPET } },
      { ...all, installation: true },
    ],
    [
      'checks the secrets of a server of the user’s own first',
      { profile: { ...PROFILE, associate: OWN_PUPPET } },
      { check: true, installation: true },
    ],
    [
      'registers with a stack, and assigns only where layers are named',
      { profile: { ...PROFILE, register: { stackId: STACK } } },
      { registration: true, assignment: false },
    ],
    [
      'assigns to the layers that are named',
      { profile: { ...PROFILE, register: { stackId: STACK, layerIds: [STACK] } } },
      { registration: true, assignment: true },
    ],
    [
      'registers no Lightsail instance with a stack',
      { instance: BLOG, profile: { ...PROFILE, register: { stackId: STACK, layerIds: [STACK] } } },
      { registration: false, assignment: false, association: true },
    ],
    [
      'asks no node for its key where only hardening is wanted',
      { profile: { ...PROFILE, associate: undefined } },
      { identity: 'none', association: false, hardening: true },
    ],
    [
      'takes the key from the request, and leaves the installation to the requester',
      { instance: BLOG, hasCsr: true, profile: { ...PROFILE, associate: OWN_PUPPET } },
      { identity: 'request', association: true, installation: false },
    ],
    [
      'does not associate a Lightsail instance whose request should bring a CSR and does not',
      { instance: BLOG, profile: { ...PROFILE, csrFrom: 'request' } },
      { identity: 'none', association: false, check: false, hardening: true },
    ],
    [
      'leaves association out for an instance that is exempt from it',
      { exempt: { imdsv2: null, association: EXEMPTION } },
      { association: false, identity: 'none', hardening: true },
    ],
    [
      'leaves hardening out for an instance that is exempt from it',
      { exempt: { imdsv2: EXEMPTION, association: null } },
      { association: true, hardening: false },
    ],
    [
      'only hardens an enrolled node whose metadata options differ',
      { item: ENROLLED },
      { check: false, hardening: true, identity: 'none', association: false },
    ],
  ])('%s', (_sentence, facts, wants) => {
    expect(plan(facts).enrolment.wants).toMatchObject(wants);
  });

  it('keeps the servers of an exempt instance in the ledger, for its retirement', () => {
    const { claim } = plan({ exempt: { imdsv2: null, association: EXEMPTION } });
    expect(claim).not.toHaveProperty('associate');
    expect(claim).toMatchObject({ exempt: ['association'] });
  });

  it.each<[string, string, boolean]>([
    ['by an execution before this one', 'enrol-0', true],
    ['by an earlier run of this task', 'enrol-1', false],
  ])('claims nothing for an instance that was enrolled %s', (_sentence, execution, enrolledBefore) => {
    const { enrolment, claim } = plan({
      instance: { ...WEB, metadataOptions: HARDENED },
      item: { ...ENROLLED, execution },
    });
    expect(claim).toBeNull();
    expect(enrolment).toMatchObject({ status: 'enrolled', enrolledBefore, generation: 4 });
  });

  it.each<[string, Partial<EnrolmentFacts>]>([
    ['a node whose profile has changed', { item: { ...ENROLLED, profileVersion: 'old' } }],
    ['a node whose enrolment failed', { item: { ...ENROLLED, status: 'failed' } }],
    ['a node whose last owner has ended', { item: { ...ENROLLED, status: 'enrolling' } }],
    ['an instance that an event announces after its retirement', retired('2031-05-05T00:00:00.000Z', NOW)],
    ['a retired instance on a person’s request', retired('2031-05-05T00:00:00.000Z', null)],
  ])('enrols %s again', (_sentence, facts) => {
    expect(plan(facts)).toMatchObject({ enrolment: { wants: { association: true } }, claim: { status: 'enrolling' } });
  });

  it.each<[string, Partial<EnrolmentFacts>, new (message: string) => Error]>([
    ['an event that is older than the retirement', retired(NOW, START), InstanceGone],
    ['an event of the same instant as the retirement', retired(NOW, NOW), InstanceGone],
    [
      'an event that is older than a retirement that does not say since when',
      { item: { ...ENROLLED, status: 'retiring' }, requestedAt: '2031-04-30T00:00:00.000Z' },
      InstanceGone,
    ],
    [
      'an instance that another execution owns',
      { item: { ...ENROLLED, status: 'enrolling' }, isOwnedElsewhere: true },
      ClaimedElsewhere,
    ],
  ])('refuses %s', (_sentence, facts, error) => {
    expect(() => plan(facts)).toThrow(error);
  });

  it('wants nothing of an instance that is ignored', () => {
    const task = { ...FACTS.task, state: 'ResolveProfile', retryCount: 0 };
    expect(ignoredEnrolment(WEB, 'No profile matches it.', task)).toMatchObject({
      status: 'ignored',
      reason: 'No profile matches it.',
      profile: null,
      deadline: START,
      wants: { hardening: false, association: false, identity: 'none' },
    });
  });
});

function retired(goneSince: string, requestedAt: string | null): Partial<EnrolmentFacts> {
  return { item: { ...ENROLLED, status: 'retired', goneSince }, requestedAt };
}
