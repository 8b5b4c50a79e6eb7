import type { GroupMember, Instance, InstanceRef } from '../lib/instance.ts';
import { isInPhase } from '../lib/lifecycle-state.ts';
import type { Profile } from '../lib/profile.ts';
import type { Hook } from '../lib/state.ts';
import { profilesForGroup } from './match.ts';

/** What an event has announced of the launch; undefined for an enrolment that a person or a sweep has started. */
export interface AnnouncedLaunch {
  readonly autoScalingGroupName?: string | undefined;
  /** The hook in which the launch waited. */
  readonly lifecycleHookName?: string | undefined;
}

/**
 * Why an announced launch starts no enrolment, as far as the event tells: a sentence. Undefined if it starts one.
 * @param profiles those for the instance's Region
 */
export function whyNotStarted(
  profiles: readonly Profile[],
  { instanceId, region }: Pick<InstanceRef, 'instanceId' | 'region'>,
  { autoScalingGroupName: group, lifecycleHookName: hook }: AnnouncedLaunch,
): string | undefined {
  if (profiles.length === 0) return `${instanceId} is in ${region}, which no profile names.`;
  // A hook that no profile names is another team's: its launch is not ours to delay or complete.
  if (hook !== undefined)
    return profiles.some(({ lifecycleHook }) => lifecycleHook === hook)
      ? undefined
      : `${instanceId} launches under the hook ${hook}, which no profile names.`;
  if (group === undefined) return undefined;
  // Launch Successful is sent for every member of every group. If the profile names a hook, the hook's event enrols.
  const possible = profilesForGroup(profiles, group);
  if (possible.length === 0) return `${instanceId} was launched by the group ${group}, which no profile matches.`;
  if (possible.some(({ lifecycleHook }) => lifecycleHook === undefined)) return undefined;
  return `${instanceId} was launched by the group ${group}, whose profile enrols in a hook.`;
}

/** Why this enrolment does not enrol the instance: a sentence. Undefined if it does. */
export function whyIgnored(
  announced: AnnouncedLaunch | undefined,
  { instanceId }: Pick<Instance, 'instanceId'>,
  profile: Pick<Profile, 'name' | 'lifecycleHook'> | undefined,
): string | undefined {
  if (!profile) return `No profile matches ${instanceId}.`;
  const { lifecycleHook, name } = profile;
  const { lifecycleHookName: hook, autoScalingGroupName: group } = announced ?? {};
  if (hook && hook !== lifecycleHook)
    return `${hook} is not the hook of the profile ${name}, which matches ${instanceId}.`;
  // start-enrolment applies the same rule where the group's name alone decides the profile.
  if (group && !hook && lifecycleHook) return `The profile ${name} enrols ${instanceId} in its hook ${lifecycleHook}.`;
  return undefined;
}

/**
 * The hook in which the launch waits for us: the profile's, if Auto Scaling says that the launch is not over. An event says
 * that the hook was there, and not that it still waits. Several hooks wait one after another in one state, so that without
 * an event the instance may wait in another team's hook before ours.
 */
export function launchHook(
  announced: AnnouncedLaunch | undefined,
  member: GroupMember | undefined,
  { lifecycleHook }: Pick<Profile, 'lifecycleHook'>,
): Hook | null {
  if (!member || !lifecycleHook) return null;
  const isAnnounced = announced?.lifecycleHookName === lifecycleHook;
  const waits = isLaunchWaiting(member) || (isAnnounced && isLaunching(member));
  return waits ? { autoScalingGroupName: member.autoScalingGroupName, lifecycleHookName: lifecycleHook } : null;
}

/** Whether the instance waits in a launch hook: its own team's or another's. */
function isLaunchWaiting({ lifecycleState }: Pick<GroupMember, 'lifecycleState'>): boolean {
  return isInPhase(lifecycleState, 'launch-waits');
}

/** Whether it has not yet come to the end of its launch hooks. */
function isLaunching({ lifecycleState }: Pick<GroupMember, 'lifecycleState'>): boolean {
  return isInPhase(lifecycleState, 'launching', 'launch-waits');
}

/**
 * Why the hook's launch is over for us, if it is. That no action of ours is active proves nothing by itself: our hook may
 * still come after another team's, or may never have waited.
 */
export function isLaunchOver(hasWaitedForUs: boolean, member: GroupMember | undefined): boolean {
  return hasWaitedForUs && member !== undefined && !isLaunching(member);
}
