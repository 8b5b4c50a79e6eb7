import * as z from 'zod';
import type { Hook } from './state.ts';

/**
 * A launch or a termination that waits in a lifecycle hook of ours: one item an instance. The items that the watch keeps
 * alive are in the table's sparse index `waiting`; an item without that attribute is only remembered, until it expires.
 *
 *   start-enrolment, ResolveProfile, watch ── item ──► ledger ── index ──► watch ── heartbeat, start
 *   ResolveProfile, for a launch that no profile matches ── out of the index
 *   FinishLaunch, ReleaseLaunch, watch ── remove
 */
export const WaitingAction = z.object({
  /** The key of the instance's own item. */
  subject: z.string(),
  region: z.string(),
  autoScalingGroupName: z.string(),
  lifecycleHookName: z.string(),
  transition: z.enum(['launching', 'terminating']),
  /** When the hook began to wait, ISO 8601: the time of its event, or one round before the watch saw it. */
  since: z.string(),
  /** When the watch first saw it; the event's time, or the start of the execution that recorded it. */
  seenAt: z.string(),
  /** The hook's own limits, in seconds: between two heartbeats, and in all. */
  heartbeatTimeoutSeconds: z.int(),
  globalTimeoutSeconds: z.int(),
  /** No later than the last heartbeat that Auto Scaling accepted: proof that our hook has waited. */
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
