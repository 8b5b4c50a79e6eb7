import type { DeployedProfile } from '../lib/profile.ts';
import { matches } from '../profiles/match.ts';
import type { Sweep } from './fleet.ts';
import type { GroupStates } from './lifecycle-state.ts';

/** Reads the groups whose members the profiles may match, with their warm pools. */
export async function readGroups(profiles: readonly DeployedProfile[], sweep: Sweep): Promise<GroupStates> {
  const { services, alerts } = sweep;
  const lifecycleStates = new Map<string, string>();
  const unread = new Set<string>();
  for (const [region, globs] of globsByRegion(profiles)) {
    try {
      await readRegion(region, globs, lifecycleStates, sweep);
    } catch (error) {
      alerts.push(
        `${services.refusalOf(error)} Members of groups in ${region} are left alone: one may be terminating.`,
      );
      unread.add(region);
    }
  }
  return { lifecycleStates, unread };
}

async function readRegion(
  region: string,
  globs: readonly string[],
  states: Map<string, string>,
  { services }: Sweep,
): Promise<void> {
  const names = globs.some((glob) => glob.includes('*')) ? null : globs;
  for await (const page of services.listGroups(names, region))
    for (const { name, hasWarmPool, lifecycleStates } of page) {
      if (!globs.some((glob) => matches(glob, name))) continue;
      for (const [id, state] of lifecycleStates) states.set(id, state);
      if (!hasWarmPool) continue;
      for (const [id, state] of await services.warmPoolStates(name, region)) states.set(id, state);
    }
}

/** The patterns of group names in each Region. A profile that matches by tags alone may match members of any group. */
function globsByRegion(profiles: readonly DeployedProfile[]): Map<string, string[]> {
  const globs = new Map<string, string[]>();
  for (const { match, regions } of profiles) {
    if (match.lightsail !== undefined) continue;
    for (const region of regions) globs.set(region, [...(globs.get(region) ?? []), match.autoScalingGroup ?? '*']);
  }
  return globs;
}
