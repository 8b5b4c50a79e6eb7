import { Enrolment, Instance } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { completeLifecycleAction } from '../services/auto-scaling.ts';
import { record } from '../services/ledger.ts';

/** Lets the instance into service: completes the launch that waits for it, if one does, and records the outcome. */
export const handler = task(
  { instance: Instance, enrolment: Enrolment },
  async ({ instance, enrolment, task: { enteredTime } }, call) => {
    const { hook, status, ledgerKey, generation } = enrolment;
    const lifecycleAction = hook
      ? await completeLifecycleAction(hook, instance.instanceId, 'CONTINUE', call.signal)
      : null;
    if (status === 'enrolled') return { lifecycleAction };
    await record({ instance: ledgerKey, generation }, { status: 'enrolled', endedAt: enteredTime }, call.signal);
    emit('EnrolmentsSucceeded');
    if (instance.launchTime)
      emit('SecondsToManaged', (Date.parse(enteredTime) - Date.parse(instance.launchTime)) / 1000);
    return { lifecycleAction };
  },
);
