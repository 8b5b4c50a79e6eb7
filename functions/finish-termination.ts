import { profilesIn } from '../lib/compiled.ts';
import { Retirement } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { profilesForGroup } from '../profiles/match.ts';
import { completeLifecycleAction } from '../services/auto-scaling.ts';

/**
 * Lets the instance go, first of all: nothing that comes after needs the machine. It holds no claim: every retirement does
 * this first, so a late run does what the owner does at that moment.
 */
export const handler = task({ retirement: Retirement }, async ({ retirement }, { signal }) => {
  const completed = [];
  for (const hook of ourHooks(retirement)) {
    const outcome = await completeLifecycleAction(hook, retirement, 'CONTINUE', signal);
    completed.push({ lifecycleHookName: hook.lifecycleHookName, outcome });
  }
  return { lifecycleActions: completed };
});

/**
 * The termination hooks of the profiles that may match its group, and of the one that enrolled it. A group may have hooks
 * of other teams, in which the instance waits as well.
 */
function ourHooks({ waitsInGroup: group, region, profile, autoScalingGroupName }: Retirement) {
  if (group === null) return [];
  const own = profilesIn(region);
  // It may have moved to another group since, whose hook of the same name is another team's.
  const enrolledBy = autoScalingGroupName === group ? own.filter(({ name }) => name === profile) : [];
  const possible = [...profilesForGroup(own, group), ...enrolledBy];
  const names = new Set(possible.flatMap(({ terminationHook = [] }) => terminationHook));
  return [...names].map((lifecycleHookName) => ({ autoScalingGroupName: group, lifecycleHookName }));
}
