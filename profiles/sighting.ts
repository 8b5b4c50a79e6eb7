import { InstanceNotReady } from '../lib/errors.ts';
import { type GroupMember, type Instance, mayLackTags } from '../lib/instance.ts';
import type { DeployedProfile } from '../lib/profile.ts';
import { isUndecided } from './match.ts';

/** What EC2 shows of an instance. Soon after a launch its tags, and with them its group, may be missing. */
export interface Sighting {
  readonly instance: Instance;
  /** When its launch was announced; null without an event. */
  readonly announcedAt: string | null;
  /** Whether its announcement names a group. */
  readonly isAnnouncedInGroup: boolean;
  /** Whether its announcement names a hook of ours. */
  readonly isAnnouncedInHook: boolean;
  readonly now: string;
}

/**
 * Whether Auto Scaling is to be asked for the instance's group: for its name if EC2 may not show it yet, and for its state if
 * a launch hook of ours may hold it.
 * @param profiles those for the instance's Region
 */
export function isMemberNeeded(sighting: Sighting, profiles: readonly DeployedProfile[]): boolean {
  const { instance, isAnnouncedInGroup } = sighting;
  if (instance.platform !== 'ec2') return false;
  if (instance.autoScalingGroupName === null) return isTooEarly(sighting) || isAnnouncedInGroup;
  return profiles.some(({ lifecycleHook }) => lifecycleHook !== undefined);
}

/**
 * The instance with the group that Auto Scaling has it in, also before EC2 shows its tag.
 * @throws InstanceNotReady while tags that decide about the profile, or the member of a launch in our hook, may be missing
 */
export function settled(
  sighting: Sighting,
  member: GroupMember | undefined,
  profiles: readonly DeployedProfile[],
): Instance {
  const { instance: shown, isAnnouncedInGroup, isAnnouncedInHook } = sighting;
  if (shown.platform !== 'ec2') return shown;
  // Without the member its launch would never be completed. Only an instance that has left its group stays missing.
  if (isAnnouncedInHook && !member && isTooEarly(sighting))
    throw new InstanceNotReady(`Auto Scaling does not show ${shown.instanceId} in its group yet.`);
  const autoScalingGroupName = shown.autoScalingGroupName ?? member?.autoScalingGroupName ?? null;
  const instance = { ...shown, autoScalingGroupName };
  const lacksGroup = shown.autoScalingGroupName === null && (member !== undefined || isAnnouncedInGroup);
  if (!isTooEarly(sighting) || !(lacksGroup || isUndecided(profiles, instance))) return instance;
  throw new InstanceNotReady(
    `EC2 may not show all tags of ${shown.instanceId} yet, and they decide about its profile.`,
  );
}

function isTooEarly({ instance, announcedAt, now }: Sighting): boolean {
  return mayLackTags(instance.createdTime, now) || mayLackTags(announcedAt, now);
}
