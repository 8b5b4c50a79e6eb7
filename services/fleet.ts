import type { Filter } from '@aws-sdk/client-ec2';
import type { Found } from '../lib/instance.ts';
import type { Profile } from '../lib/profile.ts';
import * as ec2 from './ec2.ts';
import * as lightsail from './lightsail.ts';

/**
 * Every instance of a Region that the profile may match, page by page; whether it does, and whether a profile before it does, is the
 * caller's to look. A page that fails ends this with its error.
 */
export async function* listFleet({ match }: Profile, region: string, signal: AbortSignal): AsyncGenerator<Found[]> {
  if (match.lightsail === undefined) yield* ec2.listInstances(filtersOf(match), region, signal);
  if (match.autoScalingGroup === undefined) yield* lightsail.listInstances(region, signal);
}

/** EC2's own filters let more pass than the match: `?` stands for any character there, and `\` for what follows it. */
function filtersOf({ autoScalingGroup, tags = {} }: Profile['match']): Filter[] {
  const group = autoScalingGroup === undefined ? {} : { 'aws:autoscaling:groupName': autoScalingGroup };
  const wanted = Object.entries({ ...tags, ...group });
  return wanted.map(([key, value]) => ({ Name: `tag:${key}`, Values: [value.replaceAll('\\', '?')] }));
}
