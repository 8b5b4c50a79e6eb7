import { describe, expect, it } from 'vitest';
import { InvalidRequest } from '../../../lib/errors.ts';
import type { Found, Instance } from '../../../lib/instance.ts';
import type { LedgerAssociation, LedgerItem } from '../../../lib/ledger-item.ts';
import type { Profile } from '../../../lib/profile.ts';
import type { Associate } from '../../../lib/servers.ts';
import { mayMatch, whyNotOurs, whyNotYet } from '../../../profiles/announced-end.ts';
import { decideRetirement, type RetirementFacts } from '../../../profiles/retirement.ts';
import { retirementOf } from '../../../profiles/undoing.ts';
import { WEB } from '../../support/instance.ts';

const LAUNCHED = '2031-05-06T08:00:00.000Z';
const EVENT = '2031-05-06T10:00:00.000Z';
const NOW = '2031-05-06T10:05:00.000Z';

const PROFILE: Profile = {
  name: 'web',
  match: {},
  enrolWithinMinutes: 60,
  onFailure: 'hold',
  abandonLimit: 3,
};

const ENROLLED: LedgerItem = {
  instance: WEB.instanceId,
  status: 'enrolled',
  execution: 'enrol-1',
  generation: 4,
  claimedAt: LAUNCHED,
  launchTime: LAUNCHED,
  region: 'eu-west-1',
  nodeName: WEB.nodeName,
  profile: 'web',
  profileVersion: '3f1d0c9a7b42',
  publicKeyFingerprint: 'aa:bb',
  register: { stackId: '11111111-2222-4333-8444-555555555555' },
  associate: { engine: 'opsworks-cm', serverName: 'chef-1', serverEngine: 'ChefAutomate' },
};

const LIGHTSAIL: LedgerItem = { ...ENROLLED, instance: 'lightsail/eu-west-1/blog' };
const BLOG = {
  named: { platform: 'lightsail', instanceId: 'blog', region: 'eu-west-1' },
  item: LIGHTSAIL,
  lifecycleState: null,
} as const;

/** An event says that the instance has ended, and its service confirms it. */
const FACTS: RetirementFacts = {
  named: { platform: 'ec2', instanceId: WEB.instanceId, region: 'eu-west-1' },
  occasion: { by: 'event', at: EVENT, destination: 'EC2' },
  isConfirmed: false,
  item: ENROLLED,
  found: found('terminated'),
  lifecycleState: null,
  disk: 'same',
  absentSince: null,
  mayBeOurs: true,
  isBeingRetired: false,
  task: { execution: 'retire-1', startTime: NOW, enteredTime: NOW },
};

function found(state: string, changes: Partial<Instance> = {}): Found {
  return { instance: { ...WEB, ...changes }, state };
}

const minutesLater = (minutes: number) => new Date(Date.parse(NOW) + minutes * 60_000).toISOString();
const minutesIn = (minutes: number) => ({ ...FACTS.task, enteredTime: minutesLater(minutes) });
const PERSON = { by: 'person', at: null } as const;
const retire = (goneSince: string, interruptedExecution?: string) => ({
  kind: 'retire',
  goneSince,
  interruptedExecution,
});
const nothing = (reason: string) => ({ kind: 'nothing', reason: expect.stringContaining(reason) });
const unconfirmed = (reason: string, absentSince: string | null, pauseSeconds: number) => {
  return { kind: 'unconfirmed', reason: expect.stringContaining(reason), absentSince, pauseSeconds };
};
const claimedHere = { ...ENROLLED, status: 'retiring', execution: 'retire-1' } as const;

describe('the decision about a retirement', () => {
  it.each<[string, Partial<RetirementFacts>, unknown]>([
    ['retires what EC2 says is terminated, since the event', {}, retire(EVENT)],
    ['retires what is shutting down', { found: found('shutting-down') }, retire(EVENT)],
    ['retires an instance of ours that is not in the ledger', { item: undefined }, retire(EVENT)],
    [
      'leaves an instance that neither the ledger nor a profile knows',
      { item: undefined, mayBeOurs: false },
      nothing('no profile matches it'),
    ],
    [
      'stops the enrolment that still owns the instance',
      { item: { ...ENROLLED, status: 'enrolling' } },
      retire(EVENT, 'enrol-1'),
    ],
    [
      'stops it in a later attempt too',
      { item: { ...claimedHere, interruptedExecution: 'enrol-1' } },
      retire(EVENT, 'enrol-1'),
    ],
    [
      'takes over from a retirement that has ended',
      { item: { ...ENROLLED, status: 'retiring', execution: 'retire-0' } },
      retire(EVENT),
    ],
    [
      'leaves an instance that was retired before',
      { item: { ...ENROLLED, status: 'retired', endedAt: NOW } },
      nothing(`was retired at ${NOW}`),
    ],
    [
      'leaves an instance that another execution is retiring',
      { item: { ...ENROLLED, status: 'retiring', execution: 'retire-0' }, isBeingRetired: true },
      nothing('is being retired by retire-0'),
    ],
    [
      'leaves a new instance of the name alone when the event is older than its launch',
      { occasion: { by: 'event', at: '2031-05-06T07:59:59.999Z' } },
      nothing('an earlier instance of this name'),
    ],
    [
      'goes on with its own claim, however old the event is, and whatever the service says now',
      { occasion: { by: 'event', at: '2031-05-06T07:00:00.000Z' }, item: claimedHere, found: found('running') },
      retire('2031-05-06T07:00:00.000Z'),
    ],
  ])('%s', (_sentence, facts, decision) => {
    expect(decideRetirement({ ...FACTS, ...facts })).toEqual(decision);
  });

  it.each<[string, Partial<RetirementFacts>, unknown]>([
    ...['Terminating', 'Terminating:Wait', 'Terminating:Proceed', 'Terminated', 'Warmed:Terminating:Wait'].map(
      (lifecycleState): [string, Partial<RetirementFacts>, unknown] => [
        `retires what its group is terminating (${lifecycleState})`,
        { found: found('running'), lifecycleState },
        retire(EVENT),
      ],
    ),
    [
      'leaves an instance that returns to its warm pool',
      {
        found: found('running'),
        lifecycleState: 'Terminating:Wait',
        occasion: { ...FACTS.occasion, destination: 'WarmPool' },
      },
      nothing('warm pool'),
    ],
    [
      'waits for EC2 where nothing says whether a terminating instance returns to its warm pool',
      { found: found('running'), lifecycleState: 'Terminating:Wait', occasion: { by: 'sweep', at: EVENT } },
      unconfirmed('is still running (Terminating:Wait in its group)', null, 15),
    ],
    ...['Terminating:Retained', 'Warmed:Terminating:Retained'].map(
      (lifecycleState): [string, Partial<RetirementFacts>, unknown] => [
        `leaves an instance that its group keeps (${lifecycleState})`,
        { found: found('running'), lifecycleState },
        nothing(`Its group keeps ${WEB.instanceId} running`),
      ],
    ),
    [
      'waits while EC2 shows the instance running, whatever the event says',
      { found: found('running') },
      unconfirmed('is still running', null, 15),
    ],
    [
      'waits longer, the longer it has waited',
      { found: found('running'), lifecycleState: 'InService', task: minutesIn(4) },
      unconfirmed('is still running (InService in its group)', null, 120),
    ],
    [
      'leaves an instance alone that still runs after half an hour',
      { found: found('running'), task: minutesIn(30) },
      nothing('Left alone'),
    ],
    ['waits while an instance is stopped', { found: found('stopped') }, unconfirmed('is still stopped', null, 15)],
    [
      'waits for a second look after the first has missed the instance',
      { found: undefined },
      unconfirmed(`has not been found since ${NOW}`, NOW, 300),
    ],
    [
      'waits until the second look is five minutes after the first',
      { found: undefined, absentSince: NOW, task: minutesIn(4) },
      unconfirmed(`has not been found since ${NOW}`, NOW, 60),
    ],
    [
      'retires an instance that two looks five minutes apart have missed',
      { found: undefined, absentSince: NOW, task: minutesIn(5) },
      retire(EVENT),
    ],
    [
      'forgets the first miss once the instance has been seen again',
      { found: found('running'), absentSince: NOW, task: minutesIn(5) },
      unconfirmed('is still running', null, 150),
    ],
    [
      'waits for the second look even after half an hour',
      { found: undefined, task: minutesIn(30) },
      unconfirmed('has not been found since', minutesLater(30), 300),
    ],
    [
      'retires a Lightsail instance whose name belongs to another by now',
      { ...BLOG, found: found('running', { platform: 'lightsail', launchTime: EVENT }) },
      retire(EVENT),
    ],
    [
      'waits while Lightsail shows the instance of the ledger',
      { ...BLOG, found: found('running', { platform: 'lightsail', launchTime: LAUNCHED }) },
      unconfirmed('is still running', null, 15),
    ],
  ])('asks the service: %s', (_sentence, facts, decision) => {
    expect(decideRetirement({ ...FACTS, ...facts })).toEqual(decision);
  });

  it.each<[string, Partial<RetirementFacts>, unknown]>([
    [
      'undoes a failed enrolment although the instance runs',
      { occasion: { by: 'undo', at: EVENT, generation: 4 }, item: { ...ENROLLED, status: 'failed' }, found: undefined },
      retire(EVENT),
    ],
    [
      'does not undo an enrolment that began later',
      { occasion: { by: 'undo', at: EVENT, generation: 3 } },
      nothing('has been claimed again'),
    ],
    [
      'goes on with an undo that has claimed the instance',
      { occasion: { by: 'undo', at: EVENT, generation: 3 }, item: claimedHere },
      retire(EVENT),
    ],
    [
      'takes a node that has moved off its former servers',
      { occasion: { by: 'move', at: EVENT }, found: undefined },
      { kind: 'leave' },
    ],
    [
      'leaves a node that has moved to its retirement, once that has begun',
      { occasion: { by: 'move', at: EVENT }, item: { ...ENROLLED, status: 'retiring' } },
      nothing('is not enrolled any more'),
    ],
    ['retires a terminated instance by hand', { occasion: PERSON }, retire(NOW)],
    [
      'retires a running instance by hand when that is confirmed',
      { occasion: PERSON, found: found('running'), isConfirmed: true },
      retire(NOW),
    ],
    [
      'retires by hand an instance that only its service knows, when that is confirmed',
      { occasion: PERSON, item: undefined, found: found('running'), isConfirmed: true },
      retire(NOW),
    ],
    [
      'looks twice for an instance that a person says is gone',
      { occasion: PERSON, found: undefined },
      unconfirmed('has not been found', NOW, 300),
    ],
    [
      'waits by hand, too, while the group terminates the instance',
      { occasion: PERSON, found: found('running'), lifecycleState: 'Terminating:Wait' },
      unconfirmed('is still running', null, 15),
    ],
  ])('without an event: %s', (_sentence, facts, decision) => {
    expect(decideRetirement({ ...FACTS, ...facts })).toEqual(decision);
  });

  it.each<[string, Partial<RetirementFacts>, string]>([
    ['a running instance without confirmation', { found: found('running') }, 'is running'],
    ['a stopped instance without confirmation', { found: found('stopped') }, 'is stopped'],
    ['an instance that neither its service nor the ledger knows', { found: undefined, item: undefined }, 'Neither EC2'],
    [
      'an unknown instance although it is confirmed',
      { found: undefined, item: undefined, isConfirmed: true },
      'Correct instanceId, add its region',
    ],
    [
      'an unknown Lightsail instance',
      { found: undefined, ...BLOG, item: undefined },
      'Neither Lightsail nor the ledger knows blog in eu-west-1. Correct lightsailInstanceName',
    ],
  ])('refuses a typed request for %s', (_sentence, facts, message) => {
    const decide = () => decideRetirement({ ...FACTS, occasion: PERSON, ...facts });
    expect(decide).toThrow(InvalidRequest);
    expect(decide).toThrow(message);
  });
});

describe('whether a profile may match', () => {
  const [web, lightsail, tagged] = [
    { ...PROFILE, match: { autoScalingGroup: 'web*' } },
    { ...PROFILE, match: { lightsail: 'blog-*' } },
    { ...PROFILE, match: { tags: { team: 'shop' } } },
  ];
  const ec2 = FACTS.named;
  const blog = (instanceId: string) => ({ platform: 'lightsail', instanceId, region: 'eu-west-1' }) as const;

  it.each([
    ['an instance of a group that a profile matches', [web], ec2, 'web-1', true],
    ['an instance of another group', [web, lightsail], ec2, 'billing', false],
    ['an instance of any group, if a profile looks at tags only', [tagged], ec2, 'billing', true],
    ['an instance of no known group', [web, lightsail], ec2, null, false],
    ['an instance of no known group, if a profile looks at tags only', [tagged], ec2, null, true],
    ['a Lightsail instance that a profile matches', [web, lightsail], blog('blog-1'), null, true],
    ['another Lightsail instance', [web, lightsail], blog('shop'), null, false],
    ['any Lightsail instance, if a profile looks at tags only', [tagged], blog('shop'), null, true],
  ])('is told of %s', (_what, profiles, instance, group, expected) => {
    expect(mayMatch(profiles, instance, group)).toBe(expected);
  });
});

describe('what a retirement undoes', () => {
  const outcome = { status: 'retiring', reason: null, wasRunning: false } as const;
  const chef = { engine: 'opsworks-cm', serverName: 'chef-1', serverEngine: 'ChefAutomate' } as const;
  const puppet = { engine: 'opsworks-cm', serverName: 'puppet-1', serverEngine: 'Puppet' } as const;
  const at = (server: Associate, status: LedgerAssociation['status']) => {
    return { server, nodeName: WEB.nodeName, status, publicKeyFingerprint: 'aa:bb', at: NOW };
  };
  const recorded = (chefStatus: LedgerAssociation['status'], puppetStatus: LedgerAssociation['status']) => ({
    ...ENROLLED,
    associate: puppet,
    associations: {
      'opsworks-cm/chef-1/default': at(chef, chefStatus),
      'opsworks-cm/puppet-1': at(puppet, puppetStatus),
    },
  });

  it('is what the ledger recorded', () => {
    expect(
      retirementOf(FACTS.named, { ...ENROLLED, opsworksInstanceId: 'guid', registeredBy: 'muster' }, outcome),
    ).toMatchObject({
      ledgerKey: WEB.instanceId,
      generation: 4,
      nodeName: WEB.nodeName,
      register: ENROLLED.register,
      opsworksInstanceId: 'guid',
      wants: { disassociation: true, deregistration: true },
      undoing: { left: [ENROLLED.associate], failures: null },
    });
  });

  it.each<[string, LedgerItem | undefined]>([
    ['of an instance that is not in the ledger', undefined],
    ['of a node that never showed its key', { ...ENROLLED, publicKeyFingerprint: undefined }],
    ['of an instance that was only hardened', { ...ENROLLED, register: null, associate: null }],
    ['that a server refused or has undone', recorded('refused', 'undone')],
    [
      'that the server refused, in an item from before',
      { ...ENROLLED, status: 'failed', errorName: 'AssociationFailed' },
    ],
  ])('is nothing %s', (_sentence, item) => {
    expect(retirementOf(FACTS.named, item, outcome)).toMatchObject({
      register: null,
      wants: { disassociation: false, deregistration: false },
      undoing: { left: [] },
    });
  });

  it.each<[string, Partial<LedgerItem>, boolean]>([
    ['that we made', { registeredBy: 'muster', opsworksInstanceId: 'guid' }, true],
    ['that we asked for, without an answer', { registeredBy: 'muster', registeringUntil: NOW }, true],
    ['that we made, by an item from before', { registeringUntil: NOW, opsworksInstanceId: 'guid' }, true],
    ['that was there before', { registeredBy: 'others', registeringUntil: NOW, opsworksInstanceId: 'guid' }, false],
    ['that was there before, by an item from before', { opsworksInstanceId: 'guid' }, false],
  ])('is, or is not, the registration %s', (_which, changes, deregistration) => {
    expect(retirementOf(FACTS.named, { ...ENROLLED, ...changes }, outcome)).toMatchObject({
      wants: { deregistration },
    });
  });

  it.each<[string, LedgerItem, Associate[]]>([
    ['every server that was asked or has confirmed', recorded('confirmed', 'asked'), [chef, puppet]],
    ['none but those', recorded('refused', 'confirmed'), [puppet]],
  ])('is at %s', (_which, item, left) => {
    expect(retirementOf(FACTS.named, item, outcome).undoing.left).toEqual(left);
  });

  it.each<[string, LedgerItem, Associate[]]>([
    ['at the former server, once the present one has confirmed', recorded('confirmed', 'confirmed'), [chef]],
    ['nowhere before the present one has confirmed', recorded('confirmed', 'asked'), []],
    ['nowhere when the former one is done', recorded('undone', 'confirmed'), []],
  ])('of a node that has moved is %s', (_where, item, left) => {
    const leaving = retirementOf(FACTS.named, item, { ...outcome, status: 'leaving' });
    expect(leaving).toMatchObject({ undoing: { left }, wants: { deregistration: false } });
  });
});

describe('an announced end', () => {
  const hooked = { ...PROFILE, terminationHook: 'muster-terminate' };

  it.each([
    ['in the hook of a profile', 'muster-terminate', undefined],
    ['in no hook', undefined, undefined],
    [
      'in a hook of another team',
      'drain',
      'i-0123456789abcdef0 terminates under the hook drain, which no profile names.',
    ],
  ])('%s starts a retirement unless there is a reason', (_sentence, hook, reason) => {
    expect(whyNotYet([PROFILE, hooked], WEB, hook)).toBe(reason);
  });

  it.each<[string, string | null, Pick<LedgerItem, 'status'> | undefined, string | undefined]>([
    ['that the ledger knows', 'web', ENROLLED, undefined],
    ['that is retired', 'web', { status: 'retired' }, 'No profile matches i-0123456789abcdef0 of the group web,'],
    ['of a group, that nothing knows', 'web', undefined, 'No profile matches i-0123456789abcdef0 of the group web,'],
    ['of no group, that nothing knows', null, undefined, 'No profile matches i-0123456789abcdef0, and the ledger does'],
  ])(
    'of an instance that no profile matches, %s, starts one only for what is ours',
    (_sentence, group, item, reason) => {
      const found = whyNotOurs(WEB, group, item);
      if (reason === undefined) expect(found).toBeUndefined();
      else expect(found).toContain(reason);
    },
  );
});
