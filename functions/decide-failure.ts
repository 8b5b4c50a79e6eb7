import * as z from 'zod';
import { EnrolmentProgress, failureOutcome } from '../events/failure-outcome.ts';
import { EnrolmentRequest, namedIn } from '../events/request.ts';
import { ledgerKey } from '../lib/instance.ts';
import type { FailureDecision, Hook } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { abandonOf, decideAbandon, decideFailure, type FailureFacts, isRecorded } from '../profiles/failure.ts';
import { findAnnouncement, hookOf } from '../services/announcements.ts';
import { claimOf, countAbandon, findItem, recordIfOwner } from '../services/ledger.ts';
import { notify } from '../services/notifications.ts';

/** Decides what a failed enrolment means for its launch, and says why it failed and what to do. */
export const handler = task(
  { request: z.unknown(), soFar: EnrolmentProgress },
  async ({ request: input, soFar: progress, task: { execution, enteredTime } }, { signal, log }) => {
    const request = EnrolmentRequest.safeParse(input).data;
    const { enrolment } = progress;
    const facts = await gather(request, progress, execution, signal);
    const decision = await withinLimit(decideFailure(facts), progress, enteredTime, signal);
    const outcome = failureOutcome({ ...facts, request, progress, decision, execution });
    const { error, cause } = outcome.detail;
    if (isRecorded(enrolment)) {
      const status = facts.isEnrolled ? 'enrolled' : 'failed';
      const fields = { status, lastError: cause, errorName: error, endedAt: enteredTime } as const;
      // The ledger item of an execution that has lost its claim is its successor's.
      if (!(await recordIfOwner(claimOf(enrolment), fields, signal)))
        log('The failure is not recorded: another execution has claimed the instance');
    }
    await notify(outcome, signal);
    emit('EnrolmentsFailed');
    if (decision.action === 'hold') emit('EnrolmentsHeld');
    if (decision.instead) emit('PolicyRelaxed');
    return { ...decision, error, cause };
  },
);

async function gather(
  request: EnrolmentRequest | undefined,
  { enrolment, failure }: EnrolmentProgress,
  execution: string,
  signal: AbortSignal,
): Promise<FailureFacts> {
  const isClaimed = enrolment !== undefined && enrolment.status !== 'ignored';
  const item = isClaimed ? await findItem(enrolment.ledgerKey, signal) : undefined;
  return {
    error: failure.Error,
    enrolment,
    hook: enrolment ? enrolment.hook : await announcedHook(request, execution, signal),
    isEnrolled: item?.status === 'enrolled' && item.generation === enrolment?.generation,
  };
}

/** Until ResolveProfile says it, the event does. */
async function announcedHook(
  request: EnrolmentRequest | undefined,
  execution: string,
  signal: AbortSignal,
): Promise<Hook | null> {
  return request ? hookOf(await findAnnouncement(execution, ledgerKey(namedIn(request)), signal)) : null;
}

/** Counts an abandon against its group's limit before it is carried out. */
async function withinLimit(
  decision: FailureDecision,
  { instance, enrolment }: EnrolmentProgress,
  at: string,
  signal: AbortSignal,
): Promise<FailureDecision> {
  if (decision.action !== 'abandon' || !enrolment) return decision;
  const abandon = abandonOf(instance, enrolment);
  return decideAbandon(enrolment.abandonLimit, abandon !== null && (await countAbandon({ ...abandon, at }, signal)));
}
