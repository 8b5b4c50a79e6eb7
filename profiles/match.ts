import type { Instance } from '../lib/instance.ts';
import type { DeployedProfile, Profile } from '../lib/profile.ts';

/** The first profile that matches the instance. */
export function matchProfile(profiles: readonly DeployedProfile[], instance: Instance): DeployedProfile | undefined {
  return profiles.find(({ match, regions }) => {
    if (!regions.includes(instance.region)) return false;
    if (match.autoScalingGroup !== undefined && !matches(match.autoScalingGroup, instance.autoScalingGroupName))
      return false;
    if (
      match.lightsail !== undefined &&
      !(instance.platform === 'lightsail' && matches(match.lightsail, instance.instanceId))
    )
      return false;
    return isTagged(instance, match.tags);
  });
}

/**
 * Whether tags and a group that the instance does not show yet could still make another profile decide about it than the
 * one that matches it now. Only while tags may be missing is that a question.
 */
export function isUndecided(profiles: readonly DeployedProfile[], instance: Instance): boolean {
  const first = profiles.find((profile) => couldMatch(profile, instance));
  return first !== undefined && first !== matchProfile(profiles, instance);
}

/** What the instance shows is as it is; what it lacks may still come. */
function couldMatch({ match, regions }: DeployedProfile, { region, autoScalingGroupName, tags }: Instance): boolean {
  const { autoScalingGroup, lightsail, tags: wanted = {} } = match;
  if (lightsail !== undefined || !regions.includes(region)) return false;
  if (
    autoScalingGroup !== undefined &&
    autoScalingGroupName !== null &&
    !matches(autoScalingGroup, autoScalingGroupName)
  )
    return false;
  return Object.entries(wanted).every(([key, value]) => !Object.hasOwn(tags, key) || tags[key] === value);
}

/**
 * The profiles of which one decides about the members of an Auto Scaling group, as far as the group's name tells: those
 * that look at tags as well, up to the first that does not.
 */
export function profilesForGroup(profiles: readonly Profile[], group: string): readonly Profile[] {
  const possible = profiles.filter(
    ({ match: { autoScalingGroup = '*', lightsail } }) => lightsail === undefined && matches(autoScalingGroup, group),
  );
  const certain = possible.findIndex(({ match }) => match.tags === undefined);
  return certain === -1 ? possible : possible.slice(0, certain + 1);
}

/** Whether the instance has all of these tags. */
export function isTagged(instance: Instance, tags: Readonly<Record<string, string>> = {}): boolean {
  return Object.entries(tags).every(([key, value]) => instance.tags[key] === value);
}

/** Whether the name is the glob's. What has no name matches nothing. */
export function matches(glob: string, name: string | null | undefined): boolean {
  if (name === null || name === undefined) return false;
  return new RegExp(`^${glob.split('*').map(RegExp.escape).join('.*')}$`, 's').test(name);
}
