import { describe, expect, it } from 'vitest';
import { InvalidRequest } from '../../../lib/errors.ts';
import type { Found } from '../../../lib/instance.ts';
import type { LedgerItem } from '../../../lib/ledger-item.ts';
import { decideRetirement, type RetirementFacts, retirementOf } from '../../../profiles/retirement.ts';
import { WEB } from '../../support/instance.ts';

const LAUNCHED = '2031-05-06T08:00:00.000Z';
const EVENT = '2031-05-06T10:00:00.000Z';
const NOW = '2031-05-06T10:05:00.000Z';

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

const FACTS: RetirementFacts = {
  named: { platform: 'ec2', instanceId: WEB.instanceId, region: 'eu-west-1' },
  requestedAt: EVENT,
  isConfirmed: false,
  returnsToWarmPool: false,
  item: ENROLLED,
  found: undefined,
  isBeingRetired: false,
  task: { execution: 'retire-1', enteredTime: NOW },
};

const found = (state: string): Found => ({ instance: WEB, state });
const retire = (goneSince: string, interruptedExecution?: string) => ({
  kind: 'retire',
  goneSince,
  interruptedExecution,
});
const nothing = (reason: string) => ({ kind: 'nothing', reason: expect.stringContaining(reason) });

describe('the decision about a retirement', () => {
  it.each<[string, Partial<RetirementFacts>, unknown]>([
    ['retires what an event says is gone, since the event', {}, retire(EVENT)],
    ['retires an instance that is not in the ledger', { item: undefined }, retire(EVENT)],
    [
      'stops the enrolment that still owns the instance',
      { item: { ...ENROLLED, status: 'enrolling' } },
      retire(EVENT, 'enrol-1'),
    ],
    [
      'stops it in a later attempt too',
      { item: { ...ENROLLED, status: 'retiring', execution: 'retire-1', interruptedExecution: 'enrol-1' } },
      retire(EVENT, 'enrol-1'),
    ],
    [
      'takes over from a retirement that has ended',
      { item: { ...ENROLLED, status: 'retiring', execution: 'retire-0' } },
      retire(EVENT),
    ],
    ['leaves an instance that returns to its warm pool', { returnsToWarmPool: true }, nothing('warm pool')],
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
      { requestedAt: '2031-05-06T07:59:59.999Z' },
      nothing('an earlier instance of this name'),
    ],
    [
      'goes on with its own claim, however old the event is',
      { requestedAt: '2031-05-06T07:00:00.000Z', item: { ...ENROLLED, status: 'retiring', execution: 'retire-1' } },
      retire('2031-05-06T07:00:00.000Z'),
    ],
    ['retires from now on what a person asks for', { requestedAt: null }, retire(NOW)],
    ['retires a terminated instance by hand', { requestedAt: null, found: found('terminated') }, retire(NOW)],
    [
      'retires an instance that is shutting down by hand',
      { requestedAt: null, found: found('shutting-down') },
      retire(NOW),
    ],
    [
      'retires a running instance by hand when that is confirmed',
      { requestedAt: null, found: found('running'), isConfirmed: true },
      retire(NOW),
    ],
    [
      'retires by hand an instance that only its service knows, when that is confirmed',
      { requestedAt: null, item: undefined, found: found('running'), isConfirmed: true },
      retire(NOW),
    ],
  ])('%s', (_sentence, facts, decision) => {
    expect(decideRetirement({ ...FACTS, ...facts })).toEqual(decision);
  });

  it.each<[string, Partial<RetirementFacts>, string]>([
    ['a running instance without confirmation', { found: found('running') }, 'is running'],
    ['a stopped instance without confirmation', { found: found('stopped') }, 'is stopped'],
    ['an instance that neither its service nor the ledger knows', { item: undefined }, 'Neither EC2 nor the ledger'],
    [
      'an unknown instance although it is confirmed',
      { item: undefined, isConfirmed: true },
      'Correct instanceId, add its region',
    ],
    [
      'an unknown Lightsail instance',
      { item: undefined, named: { platform: 'lightsail', instanceId: 'web-1', region: 'eu-west-1' } },
      'Neither Lightsail nor the ledger knows web-1 in eu-west-1. Correct lightsailInstanceName',
    ],
  ])('refuses a typed request for %s', (_sentence, facts, message) => {
    const decide = () => decideRetirement({ ...FACTS, requestedAt: null, ...facts });
    expect(decide).toThrow(InvalidRequest);
    expect(decide).toThrow(message);
  });
});

describe('what a retirement undoes', () => {
  const outcome = { status: 'retiring', reason: null, wasRunning: false } as const;

  it('is what the ledger recorded for a node whose key is bound', () => {
    expect(retirementOf(FACTS.named, ENROLLED, outcome)).toMatchObject({
      ledgerKey: WEB.instanceId,
      generation: 4,
      nodeName: WEB.nodeName,
      associate: ENROLLED.associate,
      register: ENROLLED.register,
      wants: { disassociation: true, deregistration: true },
    });
  });

  it.each<[string, LedgerItem | undefined]>([
    ['of an instance that is not in the ledger', undefined],
    ['of a node that never showed its key', { ...ENROLLED, publicKeyFingerprint: undefined }],
    ['of an instance that was only hardened', { ...ENROLLED, register: null, associate: null }],
  ])('is nothing %s', (_sentence, item) => {
    expect(retirementOf(FACTS.named, item, outcome)).toMatchObject({
      associate: null,
      register: null,
      wants: { disassociation: false, deregistration: false },
    });
  });
});
