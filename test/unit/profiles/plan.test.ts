import { describe, expect, it } from 'vitest';
import { ClaimedElsewhere, InstanceGone, InstanceNotReady, InvalidRequest } from '../../../lib/errors.ts';
import type { Instance } from '../../../lib/instance.ts';
import type { LedgerItem } from '../../../lib/ledger-item.ts';
import type { Exemption, Profile } from '../../../lib/profile.ts';
import type { Enrolment } from '../../../lib/state.ts';
import { type EnrolmentFacts, formerItem, ignoredEnrolment, planEnrolment } from '../../../profiles/plan.ts';
import { profileVersion } from '../../../profiles/version.ts';
import { WEB } from '../../support/instance.ts';

const START = '2031-05-06T12:00:00.000Z';
const NOW = '2031-05-06T12:01:00.000Z';
const STACK = '11111111-2222-4333-8444-555555555555';
const HARDENED: Instance['metadataOptions'] = { ...WEB.metadataOptions, httpTokens: 'required' };
const BLOG: Instance = {
  ...WEB,
  createdTime: '2031-05-06T11:59:00.000Z',
  platform: 'lightsail',
  instanceId: 'blog-1',
  autoScalingGroupName: null,
};

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
  region: WEB.region,
  status: 'enrolled',
  execution: 'enrol-0',
  generation: 4,
  claimedAt: '2031-05-01T12:00:00.000Z',
  profile: 'web',
  profileVersion: profileVersion(PROFILE),
  launchTime: null,
  publicKeyFingerprint: 'aa:bb',
};

const LAUNCHED: Instance = { ...WEB, createdTime: '2031-05-06T11:59:00.000Z' };
const HOOK = { autoScalingGroupName: 'web-blue', lifecycleHookName: 'muster-launch' };

const FACTS: EnrolmentFacts = {
  instance: LAUNCHED,
  profile: PROFILE,
  exempt: { imdsv2: null, association: null },
  hasCsr: false,
  startedBy: null,
  requestedAt: null,
  announcedAt: null,
  hook: null,
  member: undefined,
  seenAt: null,
  hasWaitedForUs: false,
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
      { instance: BLOG, hasCsr: true, profile: { ...PROFILE, associate: OWN_PUPPET, csrFrom: 'request' } },
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
    [
      'leaves IMDSv2 to the sweep for an instance that has run for more than an hour',
      { instance: old(61) },
      { association: true, hardening: false },
    ],
    [
      'leaves IMDSv2 to the sweep where an event announces an instance of yesterday',
      { instance: old(24 * 60), startedBy: 'event', requestedAt: START, hook: HOOK },
      { association: true, hardening: false },
    ],
    [
      'leaves IMDSv2 to the sweep where the event of a launch that waits for nobody comes late',
      { instance: old(90), startedBy: 'event', requestedAt: minutesBefore(85) },
      { association: true, hardening: false },
    ],
    [
      'hardens a launch that has waited in its hook ever since, however late its event comes',
      { instance: old(90), startedBy: 'event', requestedAt: minutesBefore(85), hook: HOOK },
      { hardening: true },
    ],
    [
      'hardens whatever a sweep sends, which has asked who uses IMDSv1',
      { instance: old(24 * 60), startedBy: 'sweep', requestedAt: START },
      { hardening: true },
    ],
  ])('%s', (_sentence, facts, wants) => {
    expect(plan(facts).enrolment.wants).toMatchObject(wants);
  });

  it('keeps the servers of an exempt instance in the ledger, for its retirement', () => {
    const { claim } = plan({ exempt: { imdsv2: null, association: EXEMPTION } });
    expect(claim).not.toHaveProperty('associate');
    expect(claim).toMatchObject({ exempt: ['association'] });
  });

  const before = '2031-05-01T12:05:00.000Z';
  it.each<[string, Partial<LedgerItem>, boolean]>([
    ['by an execution before this one', { execution: 'enrol-0', endedAt: before }, true],
    ['by an earlier run of this task', { execution: 'enrol-1', endedAt: NOW }, false],
    ['before, and claimed by an earlier run of this task', { execution: 'enrol-1', endedAt: before }, true],
  ])('claims nothing for an instance that was enrolled %s', (_sentence, fields, enrolledBefore) => {
    const { enrolment, claim } = plan({
      instance: { ...LAUNCHED, metadataOptions: HARDENED },
      item: { ...ENROLLED, ...fields },
    });
    expect(claim).toBeNull();
    expect(enrolment).toMatchObject({ status: 'enrolled', enrolledBefore, generation: 4 });
  });

  it('claims an enrolled node of which a launch waits, and keeps when it was enrolled', () => {
    const { enrolment, claim } = plan({
      instance: { ...LAUNCHED, metadataOptions: HARDENED },
      item: { ...ENROLLED, endedAt: before },
      hook: HOOK,
    });
    expect(enrolment).toMatchObject({ status: 'enrolled', enrolledBefore: true });
    expect(claim).toEqual({
      instance: WEB.instanceId,
      status: 'enrolled',
      execution: 'enrol-1',
      claimedAt: NOW,
      endedAt: before,
    });
  });

  it('says why IMDSv2 is left to the sweep, and only where the profile asks for it', () => {
    expect(plan({ instance: old(61) }).enrolment.hardeningPostponed).toMatch(/a sweep closes IMDSv1/);
    expect(plan().enrolment.hardeningPostponed).toBeNull();
    const profile = { ...PROFILE, metadata: undefined };
    expect(plan({ instance: old(61), profile }).enrolment.hardeningPostponed).toBeNull();
  });

  it('refuses a CSR that the profile takes from the node', () => {
    const refused = () => plan({ instance: BLOG, hasCsr: true, profile: { ...PROFILE, associate: OWN_PUPPET } });
    expect(refused).toThrow(InvalidRequest);
    expect(refused).toThrow('leave identity out, or set csrFrom: request');
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

/** An instance that came into being so many minutes before the execution started. */
function old(minutes: number): Instance {
  return { ...WEB, createdTime: minutesBefore(minutes) };
}

function minutesBefore(minutes: number): string {
  return new Date(Date.parse(START) - minutes * 60_000).toISOString();
}

function retired(goneSince: string, requestedAt: string | null): Partial<EnrolmentFacts> {
  return { item: { ...ENROLLED, status: 'retired', goneSince }, requestedAt };
}

describe('a node that another server has than its profile names', () => {
  const OTHER_PROFILE: Profile = { ...PROFILE, associate: OWN_PUPPET };
  const item: LedgerItem = { ...ENROLLED, associate: CHEF };

  it.each(['event', 'sweep'] as const)('is not moved by an enrolment that starts by %s', (startedBy) => {
    const { enrolment, claim } = planEnrolment({ ...FACTS, profile: OTHER_PROFILE, item, startedBy, hook: HOOK });
    expect(enrolment.wants.association).toBe(false);
    expect(claim).not.toHaveProperty('associate');
  });

  it.each([
    ['a person starts it', { startedBy: null }],
    ['the profile says move: true', { startedBy: 'sweep', profile: { ...OTHER_PROFILE, move: true } }],
  ] as const)('is moved where %s, and its former association is recorded', (_, over) => {
    const { enrolment, claim } = planEnrolment({ ...FACTS, profile: OTHER_PROFILE, item, ...over });
    expect(enrolment.wants.association).toBe(true);
    expect(claim).toMatchObject({
      associate: OWN_PUPPET,
      associations: { 'opsworks-cm/chef-1/default': { status: 'confirmed', server: CHEF } },
    });
  });
});

describe('an earlier instance of the same name', () => {
  const [before, now] = ['2031-05-06T07:00:00.000Z', '2031-05-06T08:00:00.000Z'];
  const blog = { ...WEB, platform: 'lightsail', instanceId: 'blog', arn: 'arn:now', launchTime: now } as const;
  const item: LedgerItem = {
    ...{ ...ENROLLED, instance: 'lightsail/eu-west-1/blog', arn: 'arn:before', launchTime: before },
  };

  it.each([
    ['is in the way until it is retired', blog, item, true],
    ['is in the way while it is being retired', blog, { ...item, status: 'retiring' }, true],
    ['is not in the way once it is retired', blog, { ...item, status: 'retired' }, false],
    ['is none where the ledger knows this very instance', blog, { ...item, arn: 'arn:now' }, false],
    ['is none on EC2, which gives no id twice', WEB, { ...ENROLLED, arn: 'arn:before' }, false],
    ['is none where the ledger knows nothing', blog, undefined, false],
  ] as const)('%s', (_sentence, instance, known, isInTheWay) => {
    expect(formerItem({ instance, item: known })).toBe(isInTheWay ? known : undefined);
  });

  it.each([
    ['shows an instance that is older than the one in the ledger', { ...item, launchTime: '2031-05-06T09:00:00.000Z' }],
    ['shows another one, and which is older is not known', { ...item, launchTime: null }],
  ])('is not concluded where the service %s', (_what, known) => {
    expect(() => formerItem({ instance: blog, item: known })).toThrow(InstanceNotReady);
  });

  it('is none where neither ARNs nor times tell the two apart', () => {
    expect(formerItem({ instance: blog, item: { ...item, arn: null, launchTime: null } })).toBeUndefined();
  });
});
