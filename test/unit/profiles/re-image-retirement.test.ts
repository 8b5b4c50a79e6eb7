import { describe, expect, it } from 'vitest';
import type { LedgerItem } from '../../../lib/ledger-item.ts';
import { decideRetirement, type RetirementFacts, retirementClaim } from '../../../profiles/retirement.ts';
import { retirementOf } from '../../../profiles/undoing.ts';
import { WEB } from '../../support/instance.ts';

const BOUND_AT = '2031-05-06T08:00:00.000Z';
const EVENT = '2031-05-06T12:00:00.000Z';
const NOW = '2031-05-06T12:00:30.000Z';
const CHEF = { engine: 'opsworks-cm', serverName: 'chef-1', serverEngine: 'ChefAutomate' } as const;

const ENROLLED: LedgerItem = {
  instance: WEB.instanceId,
  region: WEB.region,
  status: 'enrolled',
  execution: 'enrol-1',
  generation: 4,
  claimedAt: BOUND_AT,
  publicKeyFingerprint: 'first',
  rootVolumeId: 'vol-1',
  rootVolumeSeenAt: BOUND_AT,
  associations: {
    chef: { server: CHEF, nodeName: WEB.nodeName, status: 'confirmed', publicKeyFingerprint: 'first', at: BOUND_AT },
  },
};

/** An event says that the replacement begins, and the group says so too. */
const FACTS: RetirementFacts = {
  named: { platform: 'ec2', instanceId: WEB.instanceId, region: WEB.region },
  occasion: { by: 'event', at: EVENT, destination: 'AutoScalingGroup', action: 'ReplaceRootVolume' },
  isConfirmed: false,
  item: ENROLLED,
  found: { instance: { ...WEB, rootVolume: { id: 'vol-1', attachedAt: BOUND_AT } }, state: 'running' },
  lifecycleState: 'ReplacingRootVolume:Wait',
  disk: 'same',
  absentSince: null,
  mayBeOurs: true,
  isBeingRetired: false,
  task: { execution: 'retire-1', startTime: NOW, enteredTime: NOW },
};
const inService = { lifecycleState: 'InService' } as const;
const reImage = { kind: 're-image' };
const nothing = (reason: string) => ({ kind: 'nothing', reason: expect.stringContaining(reason) });
const unconfirmed = { kind: 'unconfirmed' };
const reImaging = { ...ENROLLED, status: 're-imaging', execution: 'retire-0' } as const;

describe('the decision about the key of a root volume', () => {
  it.each<[string, Partial<RetirementFacts>, unknown]>([
    ['retires it while the group says that it replaces the volume', {}, reImage],
    ['needs no event for that', { occasion: { by: 'watch', at: EVENT } }, reImage],
    ['retires the key of an enrolment that runs', { item: { ...ENROLLED, status: 'enrolling' } }, reImage],
    ['does not believe the event alone', inService, unconfirmed],
    [
      'gives the event up after half an hour',
      { ...inService, task: { ...FACTS.task, enteredTime: '2031-05-06T12:30:30.000Z' } },
      nothing('30 minutes after its end was announced'),
    ],
    ['retires it where EC2 proves the replacement', { ...inService, disk: 'replaced' }, reImage],
    [
      'does so for an enrolment that found another volume',
      { ...inService, disk: 'replaced', occasion: { by: 're-image', at: EVENT } },
      reImage,
    ],
    ['does not for another volume that proves nothing', { ...inService, disk: 'other' }, unconfirmed],
    [
      'leaves a key that an older event does not mean',
      { ...inService, disk: 'replaced', item: { ...ENROLLED, rootVolumeSeenAt: NOW } },
      nothing('is older than the root volume'),
    ],
    ['has nothing to retire twice', { item: { ...reImaging, endedAt: NOW } }, nothing(`was retired at ${NOW}`)],
    [
      'leaves a node of which nothing is left',
      { ...inService, disk: 'replaced', item: { ...ENROLLED, associations: {} } },
      nothing('Nothing is left'),
    ],
    [
      'leaves it to the execution that retires it',
      { item: reImaging, isBeingRetired: true },
      nothing('is being retired by retire-0'),
    ],
    ['takes over from one that has died', { item: reImaging }, reImage],
    ['goes on with its own claim', { item: { ...reImaging, execution: 'retire-1' }, ...inService }, reImage],
    ['leaves an instance that the ledger does not know', { item: undefined }, nothing('it has no key to retire')],
    [
      'leaves an instance that is being retired',
      { item: { ...ENROLLED, status: 'retiring' } },
      nothing('is being retired'),
    ],
    [
      'retires the whole of an instance that has ended',
      { found: { instance: WEB, state: 'terminated' } },
      { kind: 'retire' },
    ],
    ['waits for an instance that EC2 does not show', { ...inService, found: undefined }, unconfirmed],
    [
      'waits for the end of an instance that its group terminates now',
      { lifecycleState: 'Terminating:Wait' },
      unconfirmed,
    ],
    ['is no part of an undo', { occasion: { by: 'undo', at: EVENT, generation: 4 } }, { kind: 'retire' }],
    [
      'is no part of a retirement that a person confirms',
      { occasion: { by: 'person', at: null }, isConfirmed: true },
      { kind: 'retire' },
    ],
  ])('%s', (_sentence, facts, decision) => {
    expect(decideRetirement({ ...FACTS, ...facts })).toMatchObject(decision as object);
  });

  it('lets the retirement of the whole instance wait until the key is retired, without its hook', () => {
    const termination = {
      occasion: { by: 'event', at: EVENT, destination: 'EC2' },
      lifecycleState: 'Terminating:Wait',
    } as const;
    const waits = { ...FACTS, ...termination, item: reImaging, isBeingRetired: true };
    expect(decideRetirement(waits)).toMatchObject({ kind: 'unconfirmed', pauseSeconds: 60 });
    expect(decideRetirement({ ...waits, isBeingRetired: false })).toMatchObject({ kind: 'retire' });
  });
});

describe('the claim of a re-image', () => {
  it('says re-imaging, and remembers the key', () => {
    expect(retirementClaim(FACTS, { kind: 're-image' })).toEqual({
      instance: WEB.instanceId,
      region: WEB.region,
      status: 're-imaging',
      execution: 'retire-1',
      claimedAt: NOW,
      reImagedAt: null,
      retiredKeys: ['first'],
    });
  });

  it('learns the former volume of an item from before volumes were recorded, before it is replaced', () => {
    const { rootVolumeId: _, rootVolumeSeenAt: __, ...item } = ENROLLED;
    const claim = (lifecycleState: string) => retirementClaim({ ...FACTS, item, lifecycleState }, { kind: 're-image' });
    expect(claim('ReplacingRootVolume:Wait')).toMatchObject({ rootVolumeId: 'vol-1', rootVolumeSeenAt: NOW });
    expect(claim('ReplacingRootVolume:Proceed')).not.toHaveProperty('rootVolumeId');
  });

  it('undoes what a retirement does', () => {
    const outcome = { status: 're-imaging', reason: null, wasRunning: false } as const;
    expect(retirementOf(FACTS.named, ENROLLED, outcome)).toMatchObject({ undoing: { left: [CHEF] } });
  });
});
