/**
 * What each lifecycle state of an Auto Scaling group's member means here. The states are Auto Scaling's own words; a state
 * that is not in this table is left alone.
 *
 *   launching ─► launch-waits ─► launched ─► in-service ─► terminating ─► termination-waits ─► terminating ─► terminated
 *                     ▲                          │
 *                  replaced ◄─ replacing ◄─ replacement-waits ◄─ replacing       the instance stays, its root volume does not
 *
 * Source: Auto Scaling, LifecycleState.
 */
export const LIFECYCLE_STATES = {
  Pending: 'launching',
  'Pending:Wait': 'launch-waits',
  'Pending:Proceed': 'launched',
  Quarantined: 'quarantined',
  InService: 'in-service',
  Terminating: 'terminating',
  'Terminating:Wait': 'termination-waits',
  'Terminating:Proceed': 'terminating',
  'Terminating:Retained': 'retained',
  Terminated: 'terminated',
  Detaching: 'detaching',
  Detached: 'detaching',
  EnteringStandby: 'standby',
  Standby: 'standby',
  ReplacingRootVolume: 'replacing',
  'ReplacingRootVolume:Wait': 'replacement-waits',
  'ReplacingRootVolume:Proceed': 'replacing',
  RootVolumeReplaced: 'replaced',
  'Warmed:Pending': 'launching',
  'Warmed:Pending:Wait': 'launch-waits',
  'Warmed:Pending:Proceed': 'launched',
  'Warmed:Pending:Retained': 'retained',
  'Warmed:Terminating': 'terminating',
  'Warmed:Terminating:Wait': 'termination-waits',
  'Warmed:Terminating:Proceed': 'terminating',
  'Warmed:Terminating:Retained': 'retained',
  'Warmed:Terminated': 'terminated',
  'Warmed:Stopped': 'warm',
  'Warmed:Running': 'warm',
  'Warmed:Hibernated': 'warm',
} as const;

type Phase = (typeof LIFECYCLE_STATES)[keyof typeof LIFECYCLE_STATES];

const phases = new Map<string, Phase>(Object.entries(LIFECYCLE_STATES));

/** Whether the member is in one of the phases. An instance in no group has no state. */
export function isInPhase(lifecycleState: string | null | undefined, ...some: readonly Phase[]): boolean {
  const phase = phases.get(lifecycleState ?? '');
  return phase !== undefined && some.includes(phase);
}

/** Whether its root volume is about to be replaced, or is being replaced. */
export function isReplacing(lifecycleState: string | null | undefined): boolean {
  return isInPhase(lifecycleState, 'replacing', 'replacement-waits');
}
