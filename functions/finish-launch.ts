import { aboutEnrolment } from '../events/outcomes.ts';
import { Instance } from '../lib/instance.ts';
import { Enrolment } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { completeLifecycleAction } from '../services/auto-scaling.ts';
import { requireSameDisk } from '../services/ec2.ts';
import { claimOf, isOwner, record } from '../services/ledger.ts';
import { announceOutcome } from '../services/notifications.ts';
import { endWaiting } from '../services/waiting-actions.ts';

/**
 * Lets the instance into service. The node is enrolled before its launch is completed, and is recorded so: whatever
 * becomes of the launch then, a good node is never taken for a failed one.
 */
export const handler = task(
  { instance: Instance, enrolment: Enrolment },
  async ({ instance, enrolment, task }, call) => {
    const { hook, enrolledBefore } = enrolment;
    const endedAt = task.enteredTime;
    const owner = claimOf(enrolment);
    // An empty disk never goes into service as enrolled.
    await requireSameDisk(instance, call.signal);
    if (!enrolledBefore) await record(owner, { status: 'enrolled', endedAt }, call.signal);
    else if (hook && !(await isOwner(owner, call.signal))) return { lifecycleAction: null };
    const lifecycleAction = hook && (await completeLifecycleAction(hook, instance, 'CONTINUE', call.signal));
    if (hook) await endWaiting(enrolment.ledgerKey, endedAt, call);
    if (enrolledBefore) {
      emit('EnrolmentsFoundDone');
      return { lifecycleAction };
    }

    const { reImagedAt, startedBy } = enrolment;
    // What a sweep finds may have run for years: that says nothing of how long an enrolment takes. A re-image has its time.
    const since = reImagedAt ?? (startedBy === 'sweep' ? null : instance.launchTime);
    const secondsToManaged = since ? Math.max(0, (Date.parse(endedAt) - Date.parse(since)) / 1000) : null;
    const detail = { ...aboutEnrolment(instance, enrolment, task.execution), secondsToManaged };
    const detailType = reImagedAt === null ? 'Instance Enrolled' : 'Instance Re-imaged';
    await announceOutcome({ detailType, detail }, call);
    emit('EnrolmentsSucceeded');
    if (secondsToManaged !== null) emit('SecondsToManaged', secondsToManaged);
    return { lifecycleAction };
  },
);
