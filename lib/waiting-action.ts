import * as z from 'zod';
import type { Hook } from './state.ts';

/**
 * A launch or a termination that waits in a lifecycle hook of ours: one item an instance. The items that the watch keeps
 * alive are in the table's sparse index `waiting`; an item without that attribute is only remembered, until it expires.
 *
 *   start-enrolment, ResolveProfile, watch ── item ──► ledger ── index ──► watch ── heartbeat, start
 *                                   FinishLaunch, ReleaseLaunch, watch ── remove
 */
export const WaitingAction = z.object({
  /** The key of the instance's own item. */
  subject: z.string(),
  region: z.string(),
  autoScalingGroupName: z.string(),
  lifecycleHookName: z.string(),
  transition: z.enum(['launching', 'terminating']),
  /** The earliest that the hook can have begun to wait, as far as the writer knows, ISO 8601. */
  since: z.string(),
  /** When Muster first knew of it. */
  seenAt: z.string(),
  /** The hook's own limits, in seconds: between two heartbeats, and in all. */
  heartbeatTimeoutSeconds: z.int(),
  globalTimeoutSeconds: z.int(),
  /** When Auto Scaling last took a heartbeat for it: proof that our hook waited then. */
  heartbeatAt: z.string().optional(),
  /** The name of the execution that answers it; absent while none is known. */
  execution: z.string().optional(),
  /** The index's key. Absent once the hook is left to its time-out. */
  waiting: z.literal('hook').optional(),
  /** The ledger's TTL, seconds since the epoch. */
  expiresAt: z.int(),
});
export type WaitingAction = z.infer<typeof WaitingAction>;

/** The hook that it waits in. */
export function hookOfAction({
  autoScalingGroupName,
  lifecycleHookName,
}: Pick<WaitingAction, 'autoScalingGroupName' | 'lifecycleHookName'>): Hook {
  return { autoScalingGroupName, lifecycleHookName };
}
