import { isInPhase } from '../lib/lifecycle-state.ts';

/** Where instances are in the life of their Auto Scaling groups. */
export interface GroupStates {
  /** The lifecycle state of each group member, by instance id. */
  readonly lifecycleStates: ReadonlyMap<string, string>;
  /** The Regions whose groups could not be listed: the states of their group members are unknown. */
  readonly unread: ReadonlySet<string>;
}

/**
 * What the lifecycle state of an Auto Scaling group's member says. Undefined for an instance in no group.
 * Source: Auto Scaling, LifecycleState.
 */
type LifecycleState = string | undefined;

/** Whether it waits in a launch hook: ours or another team's. */
export function waitsInLaunchHook(state: LifecycleState): boolean {
  return isInPhase(state, 'launch-waits');
}

/** Whether it waits in a termination hook, ours or another team's: it goes, or its root volume does. */
export function waitsInTerminationHook(state: LifecycleState): boolean {
  return isInPhase(state, 'termination-waits', 'replacement-waits');
}

/** Whether its launch is not over. An instance that is attached, or comes back from standby, launches too. */
export function isLaunching(state: LifecycleState): boolean {
  return isInPhase(state, 'launching', 'launch-waits', 'launched');
}

/** Whether it is leaving its group, whatever state EC2 reports. */
export function isLeaving(state: LifecycleState): boolean {
  return isInPhase(state, 'terminating', 'termination-waits', 'terminated', 'detaching');
}

/** Whether another disk takes the place of its root volume. */
export function isBeingReImaged(state: LifecycleState): boolean {
  return isInPhase(state, 'replacing', 'replacement-waits', 'replaced');
}

/** Whether its group keeps it, and neither takes it into service nor terminates it: after a hook abandoned it, for one. */
export function isSetAside(state: LifecycleState): boolean {
  return isInPhase(state, 'retained', 'quarantined');
}
