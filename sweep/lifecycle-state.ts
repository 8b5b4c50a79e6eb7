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
  return /^(Warmed:)?Pending:Wait$/.test(state ?? '');
}

/** Whether it waits in a termination hook: ours or another team's. */
export function waitsInTerminationHook(state: LifecycleState): boolean {
  return /^(Warmed:)?Terminating:Wait$/.test(state ?? '');
}

/** Whether its launch is not over. An instance that is attached, or comes back from standby, launches too. */
export function isLaunching(state: LifecycleState): boolean {
  return /^(Warmed:)?Pending(:Wait|:Proceed)?$/.test(state ?? '');
}

/** Whether it is leaving its group, whatever state EC2 reports. */
export function isLeaving(state: LifecycleState): boolean {
  return /^(Warmed:)?Terminat|^Detach/.test(state ?? '') && !isRetained(state);
}

/** Whether its group keeps it running although a hook abandoned it. */
export function isRetained(state: LifecycleState): boolean {
  return state?.endsWith(':Retained') ?? false;
}
