import { describe, expect, it } from 'vitest';
import type { LedgerItem } from '../../../lib/ledger-item.ts';
import { lookupsOf, occasionOf, unclaimed, waitingGroup } from '../../../profiles/occasion.ts';
import type { Occasion } from '../../../profiles/retirement.ts';
import { WEB } from '../../support/instance.ts';

const AT = '2031-05-06T10:00:00.000Z';

describe('the occasion of a retirement', () => {
  const announced = { by: 'undo', eventTime: AT, generation: 4, autoScalingGroupName: 'web' } as const;

  it.each<[string, Parameters<typeof occasionOf>, Partial<ReturnType<typeof occasionOf>>]>([
    ['is its announcement', [announced], { by: 'undo', at: AT, generation: 4, group: 'web' }],
    ['is a person where nothing announced it', [undefined], { by: 'person', at: null }],
  ])('%s', (_sentence, given, expected) => {
    expect(occasionOf(...given)).toMatchObject(expected);
  });
});

describe('a retirement asks', () => {
  const item = { status: 'enrolled' } as const;
  const [nothing, service, both] = [
    { instance: false, member: false },
    { instance: true, member: false },
    { instance: true, member: true },
  ];

  it.each<[string, Occasion['by'], boolean, Pick<LedgerItem, 'status'> | undefined, unknown]>([
    ['its service and its group after an event', 'event', false, item, both],
    ['both after a sweep', 'sweep', false, item, both],
    ['both for a person', 'person', false, item, both],
    ['only the group where a person confirms it', 'person', true, item, { instance: false, member: true }],
    ['nothing to undo an enrolment', 'undo', false, item, nothing],
    ['nothing to leave a former server', 'move', false, item, nothing],
    ['its service where the ledger knows nothing to undo', 'undo', false, undefined, service],
    ['both where a person confirms what the ledger does not know', 'person', true, undefined, both],
  ])('%s', (_sentence, by, isConfirmed, known, expected) => {
    expect(lookupsOf({ platform: 'ec2' }, known, { by, isConfirmed })).toEqual(expected);
  });

  it('no group of a Lightsail instance', () => {
    expect(lookupsOf({ platform: 'lightsail' }, item, { by: 'event', isConfirmed: false })).toEqual(service);
  });
});

describe('the group in which an instance waits for its retirement', () => {
  it.each([
    ['Terminating:Wait', 'web'],
    ['Warmed:Terminating:Wait', 'web'],
    ['Terminating', null],
    ['Terminating:Proceed', null],
    ['Terminating:Retained', null],
    ['InService', null],
  ])('in the state %s is %s', (lifecycleState, group) => {
    expect(waitingGroup({ autoScalingGroupName: 'web', lifecycleState })).toBe(group);
  });

  it('is none of an instance of no group', () => {
    expect(waitingGroup(undefined)).toBeNull();
  });
});

describe('the answer without a claim', () => {
  const facts = { named: WEB, item: undefined };

  it.each<[string, Parameters<typeof unclaimed>[1], object]>([
    ['leaves former servers', { kind: 'leave' }, { status: 'leaving', reason: null }],
    ['says why there is nothing to do', { kind: 'nothing', reason: 'So.' }, { status: 'nothing', reason: 'So.' }],
    [
      'says when to look again',
      { kind: 'unconfirmed', reason: 'So.', absentSince: AT, pauseSeconds: 15 },
      { status: 'unconfirmed', reason: 'So.', absentSince: AT, pauseSeconds: 15 },
    ],
  ])('%s', (_sentence, decision, expected) => {
    expect(unclaimed(facts, decision, 'web')).toMatchObject({ ...expected, waitsInGroup: 'web', wasRunning: false });
  });
});
