import * as z from 'zod';
import { Instance } from '../lib/instance.ts';
import { Enrolment } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { completeLifecycleAction } from '../services/auto-scaling.ts';
import { claimOf, isOwner } from '../services/ledger.ts';

const RESULTS = { abandon: 'ABANDON', continue: 'CONTINUE' } as const;

/** Completes the launch of a failed enrolment as it was decided. */
export const handler = task(
  { instance: Instance, enrolment: Enrolment, action: z.enum(['abandon', 'continue']) },
  async ({ instance, enrolment, action }, call) => {
    const { hook } = enrolment;
    if (!hook) return { lifecycleAction: null };
    // Another execution has claimed the instance: the action that waits now is that execution's.
    if (!(await isOwner(claimOf(enrolment), call.signal))) return { lifecycleAction: 'already-over' };
    return { lifecycleAction: await completeLifecycleAction(hook, instance, RESULTS[action], call.signal) };
  },
);
