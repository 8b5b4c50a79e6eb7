import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InstanceNotReady } from '../../../lib/errors.ts';
import type { Instance } from '../../../lib/instance.ts';
import type { LedgerItem } from '../../../lib/ledger-item.ts';
import { decideBinding, diskOf, hasSomethingToUndo, requireDiskShown } from '../../../profiles/re-image.ts';
import { WEB } from '../../support/instance.ts';

const BOUND_AT = '2031-05-06T12:00:00.000Z';
const later = (minutes: number) => new Date(Date.parse(BOUND_AT) + minutes * 60_000).toISOString();

const ITEM: LedgerItem = {
  instance: WEB.instanceId,
  region: WEB.region,
  status: 'enrolled',
  execution: 'enrol-1',
  generation: 4,
  claimedAt: BOUND_AT,
  publicKeyFingerprint: 'first',
  rootVolumeId: 'vol-1',
  rootVolumeSeenAt: BOUND_AT,
};

const shown = (id: string | null, attachedAt: string, replacedAt: string | null): Instance => ({
  ...WEB,
  rootDeviceType: id === null ? 'instance-store' : 'ebs',
  rootVolume: id === null ? null : { id, attachedAt },
  replacedAt,
});

describe('the disk of an instance', () => {
  const cases: [string, Instance, Partial<LedgerItem>, string][] = [
    ['the bound volume', shown('vol-1', later(-9), null), {}, 'same'],
    ['the bound volume, replaced before the key was bound', shown('vol-1', later(-1), later(-1)), {}, 'same'],
    ['the bound volume, shown after its replacement', shown('vol-1', later(-9), later(5)), {}, 'late'],
    ['the bound volume, attached again after its replacement', shown('vol-1', later(6), later(5)), {}, 'same'],
    ['another volume, and a replacement since', shown('vol-2', later(5), later(5)), {}, 'replaced'],
    ['another volume, and no replacement', shown('vol-2', later(5), null), {}, 'other'],
    ['another volume, and a replacement before', shown('vol-2', later(5), later(-1)), {}, 'other'],
    ['another volume, and a replacement in the very moment', shown('vol-2', later(5), BOUND_AT), {}, 'other'],
    ['an instance store', shown(null, BOUND_AT, later(5)), {}, 'same'],
    ['an item without a volume', shown('vol-2', later(-9), null), { rootVolumeId: undefined }, 'same'],
    [
      'an item without a volume, and a replacement since',
      shown('vol-2', later(5), later(5)),
      { rootVolumeId: undefined },
      'other',
    ],
  ];

  it.each(cases)('is, for %s, %#', (_, instance, change, disk) => {
    expect(diskOf({ ...ITEM, ...change }, instance)).toBe(disk);
  });

  it('is the same where nothing is in the ledger', () => {
    expect(diskOf(undefined, shown('vol-1', BOUND_AT, later(5)))).toBe('same');
  });
});

describe('a look before an enrolment', () => {
  const look = (change: object = {}) =>
    requireDiskShown({
      instance: shown('vol-1', later(-9), null),
      item: ITEM,
      member: undefined,
      reImageAnnouncedAt: null,
      now: later(10),
      ...change,
    });
  const member = (lifecycleState: string) => ({ autoScalingGroupName: 'web', lifecycleState });

  it('passes for a disk that nothing speaks against', () => {
    expect(() => look()).not.toThrow();
    expect(() => look({ instance: shown('vol-2', later(5), later(5)) })).not.toThrow();
    expect(() => look({ item: undefined, reImageAnnouncedAt: later(10) })).not.toThrow();
  });

  it.each(['ReplacingRootVolume', 'ReplacingRootVolume:Wait', 'ReplacingRootVolume:Proceed'])(
    'is too early in %s',
    (state) => expect(() => look({ member: member(state) })).toThrow(InstanceNotReady),
  );

  it('is too early while EC2 shows the volume that it has replaced', () => {
    expect(() => look({ instance: shown('vol-1', later(-9), later(5)) })).toThrow('and still shows vol-1.');
  });

  it.each([
    ['an event announced it', { reImageAnnouncedAt: later(6) }],
    ['the former key is retired', { item: { ...ITEM, status: 're-imaging', endedAt: later(6) } }],
  ])('waits five minutes for another volume where %s', (_, change) => {
    expect(() => look(change)).toThrow(`was to be replaced at ${later(6)}, and EC2 still shows vol-1.`);
    expect(() => look({ ...change, now: later(11) })).not.toThrow();
  });

  it('does not wait for what was announced before the volume was bound', () => {
    expect(() => look({ reImageAnnouncedAt: later(-1), now: later(1) })).not.toThrow();
  });
});

describe('what is left to undo', () => {
  it('is nothing once the former key is retired', () => {
    const register = { stackId: '11111111-2222-4333-8444-555555555555' };
    const registered = { ...ITEM, register, registeredBy: 'muster' } as const;
    expect(hasSomethingToUndo(registered)).toBe(true);
    expect(hasSomethingToUndo({ ...registered, status: 're-imaging' })).toBe(true);
    expect(hasSomethingToUndo({ ...registered, status: 're-imaging', endedAt: BOUND_AT })).toBe(false);
    expect(hasSomethingToUndo(ITEM)).toBe(false);
  });
});

describe('a key', () => {
  const facts = {
    item: ITEM,
    publicKeyFingerprint: 'second',
    disk: 'replaced',
    isUnderWay: false,
    mayBeLate: false,
  } as const;

  it('is bound in the place of another one for a replaced disk only', () => {
    expect(decideBinding(facts)).toBe('rebind');
    expect(decideBinding({ ...facts, disk: 'same' })).toBe('another-key');
    expect(decideBinding({ ...facts, disk: 'other' })).toBe('another-key');
  });

  it('waits for what EC2 does not show yet', () => {
    expect(decideBinding({ ...facts, isUnderWay: true })).toBe('not-yet');
    expect(decideBinding({ ...facts, disk: 'late' })).toBe('not-yet');
    expect(decideBinding({ ...facts, disk: 'other', mayBeLate: true })).toBe('not-yet');
  });

  it('of a former disk is never bound again', () => {
    expect(decideBinding({ ...facts, publicKeyFingerprint: 'first' })).toBe('retired-key');
    const item = { ...ITEM, publicKeyFingerprint: 'third', retiredKeys: ['first', 'second'] };
    expect(decideBinding({ ...facts, item })).toBe('retired-key');
    expect(decideBinding({ ...facts, item, disk: 'other' })).toBe('retired-key');
  });

  it('that is bound stays where the disk was not replaced, also after a replacement that was cancelled', () => {
    const item = { ...ITEM, retiredKeys: ['first'] };
    expect(decideBinding({ ...facts, item, publicKeyFingerprint: 'first', disk: 'same' })).toBe('keep');
    expect(decideBinding({ ...facts, publicKeyFingerprint: 'first', disk: 'other' })).toBe('keep');
  });

  it('is never a second one without a proved replacement, whatever EC2 shows: 10,000 attempts', () => {
    const instants = fc.integer({ min: -20, max: 20 }).map(later);
    const volumes = fc.constantFrom('vol-1', 'vol-2', 'vol-3');
    const keys = fc.constantFrom('first', 'second', 'third');
    const attempt = fc.record({
      item: fc.record({
        publicKeyFingerprint: keys,
        rootVolumeId: fc.option(volumes, { nil: undefined }),
        rootVolumeSeenAt: fc.option(instants, { nil: undefined }),
        retiredKeys: fc.uniqueArray(keys),
        endedAt: fc.option(instants, { nil: undefined }),
      }),
      instance: fc.tuple(fc.option(volumes), instants, fc.option(instants)).map((one) => shown(...one)),
      publicKeyFingerprint: keys,
      isUnderWay: fc.boolean(),
      mayBeLate: fc.boolean(),
    });
    let rebound = 0;
    fc.assert(
      fc.property(attempt, ({ item: changes, instance, ...rest }) => {
        const item: LedgerItem = { ...ITEM, ...changes };
        const decision = decideBinding({ ...rest, item, disk: diskOf(item, instance) });
        const isOther = rest.publicKeyFingerprint !== item.publicKeyFingerprint;
        if (isOther && decision === 'keep') return false;
        if (decision !== 'rebind') return true;
        rebound++;
        const { rootVolume, replacedAt } = instance;
        const isReplaced =
          replacedAt !== null && replacedAt > (item.rootVolumeSeenAt ?? item.endedAt ?? item.claimedAt);
        const isAnother = item.rootVolumeId !== undefined && rootVolume?.id !== item.rootVolumeId;
        return (
          isOther &&
          isReplaced &&
          isAnother &&
          !rest.isUnderWay &&
          !changes.retiredKeys.includes(rest.publicKeyFingerprint)
        );
      }),
      { numRuns: 10_000 },
    );
    expect(rebound).toBeGreaterThan(100);
  });
});
