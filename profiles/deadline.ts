import { InvalidRequest } from '../lib/errors.ts';
import type { Profile } from '../lib/profile.ts';
import type { Hook } from '../lib/state.ts';

/**
 * Only KeepWaiting sends heartbeats, and two of them are at most the state machine's longest stretch apart, which a test
 * computes. A hook must outlive that stretch. The deadline leaves time for one more: the last stretch before KeepWaiting
 * sees that the deadline has passed, and the decision after it.
 *
 *   event ──── heartbeat ──── heartbeat ──── … ──── deadline ─── stretch ───┤ the hook's global timeout
 *          ≤ SHORTEST_HEARTBEAT between two
 */
export const SHORTEST_HEARTBEAT_SECONDS = 3600;

export interface DeadlineFacts {
  readonly profile: Pick<Profile, 'enrolWithinMinutes'>;
  readonly hook: Hook | null;
  /** The hook's own limits; undefined if the group no longer has the hook. */
  readonly hookTimes: { readonly heartbeatTimeoutSeconds: number; readonly globalTimeoutSeconds: number } | undefined;
  /** The time of the event that announced the launch; null if the request came from a sweep or a person. */
  readonly announcedAt: string | null;
  /** When the instance was launched: the earliest that its hook can have begun to wait. */
  readonly launchTime: string | null;
  /** When the execution started. */
  readonly startTime: string;
}

/**
 * The instant after which the enrolment stops waiting. If the launch waits in a hook, the hook's limit counts, from the
 * event on. Without a hook the profile's limit counts, from the start of the execution; without an event, whichever of the
 * profile's limit and the hook's, from the launch on, ends later.
 * @throws InvalidRequest if the hook expires too early for the state machine's heartbeats
 */
export function deadlineOf({ profile, hook, hookTimes, announcedAt, launchTime, startTime }: DeadlineFacts): string {
  if (hook && hookTimes && hookTimes.heartbeatTimeoutSeconds < SHORTEST_HEARTBEAT_SECONDS) {
    throw new InvalidRequest(
      `The hook ${hook.lifecycleHookName} of ${hook.autoScalingGroupName} has a HeartbeatTimeout of ` +
        `${hookTimes.heartbeatTimeoutSeconds} seconds: set it to ${SHORTEST_HEARTBEAT_SECONDS} (its default) or more.`,
    );
  }
  const ofProfile = after(startTime, profile.enrolWithinMinutes * 60);
  if (!hookTimes) return ofProfile;
  const hookSeconds = hookTimes.globalTimeoutSeconds - SHORTEST_HEARTBEAT_SECONDS;
  if (announcedAt) return after(announcedAt, hookSeconds);
  // Without an event we don't know when the hook's timer started. An instance of a warm pool was launched long before.
  const ofHook = after(launchTime ?? startTime, hookSeconds);
  return ofHook > ofProfile ? ofHook : ofProfile;
}

function after(instant: string, seconds: number): string {
  return new Date(Date.parse(instant) + seconds * 1000).toISOString();
}
