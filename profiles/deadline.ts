import type { Profile } from '../lib/profile.ts';
import { after, type HookLimits, LONGEST_ROUND_SECONDS, marginSeconds, secondsBetween } from './waiting.ts';

export interface DeadlineFacts {
  readonly profile: Pick<Profile, 'enrolWithinMinutes'>;
  /** The limits of the hook in which the launch waits; undefined if it waits in none. */
  readonly hookTimes: HookLimits | undefined;
  /** The time of the event that announced the launch; null if the request came from a sweep or a person. */
  readonly announcedAt: string | null;
  /** When the watch first saw the launch wait in our hook; null if it has not. */
  readonly seenAt: string | null;
  /** When the instance was launched: the earliest that its hook can have begun to wait. */
  readonly launchTime: string | null;
  /** When the execution started. */
  readonly startTime: string;
}

/**
 * The instant after which the enrolment stops waiting. Without a hook the profile's limit counts, from the start of the
 * execution. In a hook the hook's own limit counts, and the profile's cannot exceed it:
 *
 *   hook begins ──── heartbeats of the watch ──── … ──── deadline ── decision ──┤ min(48 h, 100 x HeartbeatTimeout)
 */
export function deadlineOf(facts: DeadlineFacts): string {
  const { profile, hookTimes, startTime } = facts;
  if (!hookTimes) return after(startTime, profile.enrolWithinMinutes * 60);
  return after(beginningOf(facts), hookTimes.globalTimeoutSeconds - marginSeconds(hookTimes));
}

/** A watch that has failed for longer than this has also missed the heartbeats of most hooks. */
const SEEN_WITHIN_SECONDS = 3600;

/**
 * When the hook began to wait: the event says it. Without one, the earliest that it can have begun is the launch. An instance
 * of a warm pool was launched long before, and one may have waited in another team's hook first: then it is one round of the
 * watch before the first look that saw it.
 */
function beginningOf({ announcedAt, seenAt, launchTime, startTime }: DeadlineFacts): string {
  if (announcedAt) return announcedAt;
  const seen = seenAt ?? startTime;
  if (launchTime && secondsBetween(launchTime, seen) <= SEEN_WITHIN_SECONDS) return launchTime;
  return after(seen, -LONGEST_ROUND_SECONDS);
}
