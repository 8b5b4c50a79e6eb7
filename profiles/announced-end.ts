/** Whether an announced end is of an instance of ours, before anything is asked. */
import type { InstanceRef } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { Profile } from '../lib/profile.ts';
import { matches, profilesForGroup } from './match.ts';

/**
 * Whether a profile may match an instance, as far as its name and its group tell.
 * @param group null if it is not known to be in one
 */
export function mayMatch(
  profiles: readonly Profile[],
  { platform, instanceId }: InstanceRef,
  group: string | null,
): boolean {
  if (platform === 'lightsail')
    return profiles.some(
      ({ match: { autoScalingGroup, lightsail = '*' } }) =>
        autoScalingGroup === undefined && matches(lightsail, instanceId),
    );
  if (group !== null) return profilesForGroup(profiles, group).length > 0;
  return profiles.some(({ match }) => match.autoScalingGroup === undefined && match.lightsail === undefined);
}

/**
 * Why an announced end starts no retirement yet: a sentence. In another team's hook the instance may still be in use, and its
 * end is announced again when it comes.
 * @param profiles those for the instance's Region
 * @param hook the termination hook in which it waits
 */
export function whyNotYet(
  profiles: readonly Profile[],
  { instanceId }: Pick<InstanceRef, 'instanceId'>,
  hook: string | undefined,
): string | undefined {
  if (hook === undefined || profiles.some(({ terminationHook }) => terminationHook === hook)) return undefined;
  return `${instanceId} terminates under the hook ${hook}, which no profile names.`;
}

/**
 * Why the end of an instance that no profile matches starts no retirement: a sentence. Each would cost an execution and a
 * ledger item.
 */
export function whyNotOurs(
  { instanceId }: Pick<InstanceRef, 'instanceId'>,
  group: string | null,
  item: Pick<LedgerItem, 'status'> | undefined,
): string | undefined {
  if (item && item.status !== 'retired') return undefined;
  const where = group === null ? '' : ` of the group ${group}`;
  return `No profile matches ${instanceId}${where}, and the ledger does not know it.`;
}
