import { LifecycleState } from '@aws-sdk/client-auto-scaling';
import { describe, expect, it } from 'vitest';
import { isInPhase, isReplacing, LIFECYCLE_STATES } from '../../../lib/lifecycle-state.ts';
import { launchHook } from '../../../profiles/launch.ts';
import { waitingGroup } from '../../../profiles/occasion.ts';
import {
  isBeingReImaged,
  isLaunching,
  isLeaving,
  isSetAside,
  waitsInLaunchHook,
  waitsInTerminationHook,
} from '../../../sweep/lifecycle-state.ts';

const states = Object.values(LifecycleState);
const where = (test: (state: string) => boolean) => states.filter(test).toSorted();

describe('the lifecycle states of Auto Scaling', () => {
  it('all have a meaning', () => {
    expect(Object.keys(LIFECYCLE_STATES).toSorted()).toEqual(states.toSorted());
    expect(states).toHaveLength(30);
  });

  it('mean nothing where an instance is in no group, or its state is not known', () => {
    for (const state of [undefined, null, '', 'Pending:Waiting', 'constructor'])
      expect(isInPhase(state, 'launching', 'launch-waits', 'in-service', 'retained')).toBe(false);
  });

  it('are taken by the sweep in one way each', () => {
    expect(where(isSetAside)).toEqual([
      'Quarantined',
      'Terminating:Retained',
      'Warmed:Pending:Retained',
      'Warmed:Terminating:Retained',
    ]);
    expect(where(isBeingReImaged)).toEqual([
      'ReplacingRootVolume',
      'ReplacingRootVolume:Proceed',
      'ReplacingRootVolume:Wait',
      'RootVolumeReplaced',
    ]);
    const tests = [isSetAside, isBeingReImaged, isLeaving];
    for (const state of states) expect(tests.filter((test) => test(state)).length).toBeLessThan(2);
  });

  it('say in which hooks an instance waits', () => {
    expect(where(waitsInLaunchHook)).toEqual(['Pending:Wait', 'Warmed:Pending:Wait']);
    expect(where(waitsInTerminationHook)).toEqual([
      'ReplacingRootVolume:Wait',
      'Terminating:Wait',
      'Warmed:Terminating:Wait',
    ]);
    const member = (lifecycleState: string) => ({ autoScalingGroupName: 'web', lifecycleState });
    expect(where((state) => waitingGroup(member(state)) !== null)).toEqual(where(waitsInTerminationHook));
    const profile = { lifecycleHook: 'muster-launch' };
    expect(where((state) => launchHook(undefined, member(state), profile) !== null)).toEqual(where(waitsInLaunchHook));
  });

  it('say whether a launch is not over, and whether a root volume is being replaced', () => {
    expect(where(isLaunching)).toHaveLength(6);
    expect(where(isReplacing)).toEqual([
      'ReplacingRootVolume',
      'ReplacingRootVolume:Proceed',
      'ReplacingRootVolume:Wait',
    ]);
  });
});
