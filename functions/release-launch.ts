import * as z from 'zod';
import { type GroupMember, Instance } from '../lib/instance.ts';
import { isInPhase } from '../lib/lifecycle-state.ts';
import { Enrolment, type Release } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { abandonOf } from '../profiles/failure.ts';
import { completeLifecycleAction, findMember } from '../services/auto-scaling.ts';
import { claimOf, isOwner, takeBackAbandon } from '../services/ledger.ts';
import { endWaiting } from '../services/waiting-actions.ts';

const RESULTS = { abandon: 'ABANDON', continue: 'CONTINUE' } as const;

/** Completes the launch of a failed enrolment as it was decided. */
export const handler = task(
  { instance: Instance, enrolment: Enrolment, action: z.enum(['abandon', 'continue']) },
  async ({ instance, enrolment, action, task }, call): Promise<Release> => {
    const { hook, ledgerKey } = enrolment;
    if (!hook) return { lifecycleAction: null };
    // Another execution has claimed the instance: the action that waits now is that execution's.
    const outcome = (await isOwner(claimOf(enrolment), call.signal))
      ? await completeLifecycleAction(hook, instance, RESULTS[action], call.signal)
      : 'already-over';
    if (outcome === 'completed') {
      await endWaiting(ledgerKey, task.enteredTime, call);
      return { lifecycleAction: outcome };
    }
    if (action === 'continue') return { lifecycleAction: outcome };
    // An earlier attempt may have abandoned it, and its answer was lost.
    if (isTerminating(await findMember(instance, call.signal))) return { lifecycleAction: 'completed' };
    const abandon = abandonOf(instance, enrolment);
    if (abandon) await takeBackAbandon(abandon, call.signal);
    return { lifecycleAction: outcome };
  },
);

function isTerminating(member: GroupMember | undefined): boolean {
  return isInPhase(member?.lifecycleState, 'terminating', 'termination-waits', 'terminated', 'retained');
}
