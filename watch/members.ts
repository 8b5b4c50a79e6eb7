import type { InstanceRef } from '../lib/instance.ts';
import { isInPhase } from '../lib/lifecycle-state.ts';
import type { DeployedProfile } from '../lib/profile.ts';
import type { WaitingAction } from '../lib/waiting-action.ts';
import { matches, profilesForGroup } from '../profiles/match.ts';
import type { WatchServices } from './services.ts';

/** A member of a group that waits in a hook: ours, or another team's before ours. */
export interface WaitingMember {
  readonly instance: InstanceRef;
  readonly autoScalingGroupName: string;
  readonly transition: WaitingAction['transition'];
  /** The hooks of this transition that the profiles name for the group. */
  readonly hooks: readonly string[];
}

/** The transition in whose hooks an instance waits. The replacement of a root volume begins in the termination hooks. */
function transitionOf(lifecycleState: string): WaitingAction['transition'] | undefined {
  if (isInPhase(lifecycleState, 'launch-waits')) return 'launching';
  return isInPhase(lifecycleState, 'termination-waits', 'replacement-waits') ? 'terminating' : undefined;
}

/** The Regions in which a profile names a hook. */
export function regionsWithHooks(profiles: readonly DeployedProfile[]): string[] {
  return [...new Set(profiles.filter(hasHook).flatMap(({ regions }) => regions))];
}

/** The members that wait in a Region, in groups for which a profile names a hook. */
export async function listWaitingMembers(
  region: string,
  profiles: readonly DeployedProfile[],
  services: Pick<WatchServices, 'listGroups' | 'warmPoolStates'>,
): Promise<WaitingMember[]> {
  const own = profiles.filter(({ regions }) => regions.includes(region));
  const globs = own.filter(hasHook).map(({ match }) => match.autoScalingGroup ?? '*');
  const names = globs.some((glob) => glob.includes('*')) ? null : globs;
  const members: WaitingMember[] = [];
  for await (const page of services.listGroups(names, region))
    for (const { name, hasWarmPool, lifecycleStates } of page) {
      if (!globs.some((glob) => matches(glob, name))) continue;
      members.push(...waitingIn({ name, region, own }, lifecycleStates));
      if (hasWarmPool) members.push(...waitingIn({ name, region, own }, await services.warmPoolStates(name, region)));
    }
  return members;
}

function waitingIn(
  { name, region, own }: { name: string; region: string; own: readonly DeployedProfile[] },
  lifecycleStates: ReadonlyMap<string, string>,
): WaitingMember[] {
  const possible = profilesForGroup(own, name);
  const hooksOf = {
    launching: unique(possible.flatMap(({ lifecycleHook }) => lifecycleHook ?? [])),
    terminating: unique(possible.flatMap(({ terminationHook }) => terminationHook ?? [])),
  };
  return [...lifecycleStates].flatMap(([instanceId, state]) => {
    const transition = transitionOf(state);
    if (!transition || hooksOf[transition].length === 0) return [];
    const instance = { platform: 'ec2', instanceId, region } as const;
    return [{ instance, autoScalingGroupName: name, transition, hooks: hooksOf[transition] }];
  });
}

function hasHook({ lifecycleHook, terminationHook }: DeployedProfile): boolean {
  return lifecycleHook !== undefined || terminationHook !== undefined;
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
