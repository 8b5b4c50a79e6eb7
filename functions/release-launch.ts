import * as z from 'zod';
import { Instance } from '../lib/instance.ts';
import { Enrolment } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { completeLifecycleAction } from '../services/auto-scaling.ts';

const RESULTS = { abandon: 'ABANDON', continue: 'CONTINUE' } as const;

/** Completes the launch of a failed enrolment as it was decided. */
export const handler = task(
  { instance: Instance, enrolment: Enrolment, action: z.enum(['abandon', 'continue']) },
  async ({ instance, enrolment: { hook }, action }, call) => ({
    lifecycleAction: hook && (await completeLifecycleAction(hook, instance, RESULTS[action], call.signal)),
  }),
);
