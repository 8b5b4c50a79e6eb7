import * as z from 'zod';
import { EnrolmentProgress } from '../events/failure-outcome.ts';
import { EnrolmentRequest, namedIn } from '../events/request.ts';
import { ledgerKey } from '../lib/instance.ts';
import { type FailureDecision, type Hook, sentenceOf } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { abandonOf, decideAbandon, decideFailure, type FailureFacts, isRecorded } from '../profiles/failure.ts';
import { findAnnouncement, hookOf } from '../services/announcements.ts';
import { claimOf, countAbandon, findItem, recordIfOwner } from '../services/ledger.ts';

/** Decides what a failed enrolment means for its launch. The decision is carried out next, then recorded and reported. */
export const handler = task(
  { request: z.unknown(), soFar: EnrolmentProgress },
  async ({ request: input, soFar: progress, task: { execution, enteredTime } }, { signal }) => {
    const request = EnrolmentRequest.safeParse(input).data;
    const facts = await gather(request, progress, execution, signal);
    const decision = await withinLimit(decideFailure(facts), progress, enteredTime, signal);
    await settle(progress, facts.isEnrolled, enteredTime, signal);
    return { ...decision, hook: facts.hook, isEnrolled: facts.isEnrolled };
  },
);

/**
 * From here on the enrolment no longer runs for its instance: the termination that an abandon brings about must not stop this
 * execution before it has reported. What became of the launch is recorded by ReportFailure.
 */
async function settle(
  { enrolment, failure }: EnrolmentProgress,
  isEnrolled: boolean,
  endedAt: string,
  signal: AbortSignal,
): Promise<void> {
  if (!isRecorded(enrolment)) return;
  const status = isEnrolled ? 'enrolled' : 'failed';
  const fields = { status, lastError: sentenceOf(failure), errorName: failure.Error, endedAt } as const;
  await recordIfOwner(claimOf(enrolment), fields, signal);
}

async function gather(
  request: EnrolmentRequest | undefined,
  { enrolment, failure, waiting }: EnrolmentProgress,
  execution: string,
  signal: AbortSignal,
): Promise<FailureFacts> {
  const isClaimed = enrolment !== undefined && enrolment.status !== 'ignored';
  const item = isClaimed ? await findItem(enrolment.ledgerKey, signal) : undefined;
  return {
    error: failure.Error,
    isUnproved: Boolean(waiting?.outdatedSince),
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

/** Counts an abandon against its group's limit before it is carried out: of many in one moment, no more than the limit are. */
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
