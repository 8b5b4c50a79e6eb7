import { RetirementRequest } from '../events/request.ts';
import { profilesIn } from '../lib/config.ts';
import { type Hook, Retirement } from '../lib/state.ts';
import { type Call, task } from '../lib/task.ts';
import { completeLifecycleAction, findMember, WAITS_IN_TERMINATION_HOOK } from '../services/auto-scaling.ts';

/** Lets the instance go, first of all: nothing that comes after needs the machine, and nobody should wait for us. */
export const handler = task(
  { request: RetirementRequest, retirement: Retirement },
  async ({ request, retirement }, call) => {
    const completed = [];
    for (const hook of await waitingHooks(request, retirement, call)) {
      const outcome = await completeLifecycleAction(hook, retirement, 'CONTINUE', call.signal);
      completed.push({ lifecycleHookName: hook.lifecycleHookName, outcome });
    }
    return { lifecycleActions: completed };
  },
);

/** The hook that the event brought; for a person, those of the profiles, if the instance waits in one. */
async function waitingHooks(
  { lifecycleAction, instanceId, trigger }: RetirementRequest,
  retirement: Retirement,
  call: Call,
): Promise<Hook[]> {
  const ours = new Set(profilesIn(retirement.region).flatMap(({ terminationHook }) => terminationHook ?? []));
  if (lifecycleAction) return ours.has(lifecycleAction.lifecycleHookName) ? [lifecycleAction] : [];
  if (!instanceId || trigger) return [];
  const member = await findMember(retirement, call.signal);
  if (!member || !WAITS_IN_TERMINATION_HOOK.includes(member.lifecycleState)) return [];
  const { autoScalingGroupName } = member;
  return [...ours].map((lifecycleHookName) => ({
    autoScalingGroupName,
    lifecycleHookName,
    lifecycleActionToken: null,
  }));
}
