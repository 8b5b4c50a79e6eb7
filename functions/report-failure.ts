import * as z from 'zod';
import { DecidedProgress, failureOutcome } from '../events/failure-outcome.ts';
import { EnrolmentRequest } from '../events/request.ts';
import { task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { isRecorded } from '../profiles/failure.ts';
import { claimOf, recordIfOwner } from '../services/ledger.ts';
import { announceOutcome } from '../services/notifications.ts';

/** Records why an enrolment failed and what became of its launch, then reports it: in one sentence, with what to do. */
export const handler = task(
  { request: z.unknown(), soFar: DecidedProgress },
  async ({ request: input, soFar: progress, task: { execution, enteredTime } }, { signal, log }) => {
    const request = EnrolmentRequest.safeParse(input).data;
    const { enrolment, decision } = progress;
    const outcome = failureOutcome({ request, progress, execution });
    const { error, cause, action } = outcome.detail;
    if (isRecorded(enrolment)) {
      const status = decision.isEnrolled ? 'enrolled' : 'failed';
      const fields = { status, lastError: cause, errorName: error, endedAt: enteredTime } as const;
      // The ledger item of an execution that has lost its claim is its successor's.
      if (!(await recordIfOwner(claimOf(enrolment), fields, signal)))
        log('The failure is not recorded: another execution has claimed the instance');
    }
    await announceOutcome(outcome, { signal, log });
    emit('EnrolmentsFailed');
    if (action === 'hold') emit('EnrolmentsHeld');
    if (decision.instead) emit('PolicyRelaxed');
    return { error, cause };
  },
);
