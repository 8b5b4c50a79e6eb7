import * as z from 'zod';
import { causeOf } from '../events/failure-cause.ts';
import { aboutEnrolment, NOTHING_KNOWN } from '../events/outcomes.ts';
import { EnrolmentRequest, labelOf, namedIn, naming } from '../events/request.ts';
import { ClaimedElsewhere } from '../lib/errors.ts';
import { Instance, ledgerKey } from '../lib/instance.ts';
import {
  Association,
  Enrolment,
  Failure,
  type FailureDecision,
  type Hook,
  Registration,
  sentenceOf,
} from '../lib/state.ts';
import { type Invocation, task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { decideAbandon, decideFailure, type FailureFacts } from '../profiles/failure.ts';
import { findAnnouncement, hookOf } from '../services/announcements.ts';
import { claimOf, countAbandon, findItem, record } from '../services/ledger.ts';
import { notify } from '../services/notifications.ts';

/** The state's data when the enrolment failed, as far as it got. */
const Progress = z.object({
  instance: Instance.optional(),
  enrolment: Enrolment.optional(),
  registration: Registration.optional(),
  association: Association.optional(),
  failure: Failure,
});
type Progress = z.infer<typeof Progress>;

/** Undefined if the request is invalid, which may be why the enrolment failed. */
type Request = EnrolmentRequest | undefined;

/** Decides what a failed enrolment means for its launch, and says why it failed and what to do. */
export const handler = task({ request: z.unknown(), soFar: Progress }, async ({ request, soFar, task }, call) => {
  const valid = EnrolmentRequest.safeParse(request).data;
  const facts = await gather(valid, soFar, task.execution, call);
  const decision = await limited(decideFailure(facts), soFar, task.enteredTime, call);
  const error = facts.error;
  const cause = explain(valid, soFar, facts, decision);
  await remember(soFar, facts, { lastError: cause, errorName: error, endedAt: task.enteredTime }, call);
  await notify(outcome(valid, soFar, decision, { error, cause, execution: task.execution }), call.signal);
  emit('EnrolmentsFailed');
  if (decision.action === 'hold') emit('EnrolmentsHeld');
  if (decision.instead) emit('PolicyRelaxed');
  return { ...decision, error, cause };
});

async function gather(
  request: Request,
  { enrolment, failure }: Progress,
  execution: string,
  { signal }: Invocation,
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

/** The event says it until ResolveProfile does. */
async function announcedHook(request: Request, execution: string, signal: AbortSignal): Promise<Hook | null> {
  return request ? hookOf(await findAnnouncement(execution, ledgerKey(namedIn(request)), signal)) : null;
}

/** Counts an abandon against its group's limit before it is carried out. */
async function limited(
  decision: FailureDecision,
  { instance, enrolment }: Progress,
  at: string,
  { signal }: Invocation,
): Promise<FailureDecision> {
  if (decision.action !== 'abandon' || !enrolment) return decision;
  const { abandonLimit: limit, ledgerKey, hook } = enrolment;
  if (!instance || !hook) return decideAbandon(limit, false);
  const group = `${instance.region}/${hook.autoScalingGroupName}`;
  return decideAbandon(limit, await countAbandon({ group, instance: ledgerKey, at, limit }, signal));
}

function explain(request: Request, progress: Progress, { hook, isEnrolled }: FailureFacts, decision: FailureDecision) {
  const { enrolment, failure, registration, association } = progress;
  return causeOf({
    name: request ? labelOf(namedIn(request)) : 'The instance',
    input: request ? JSON.stringify(naming(namedIn(request))) : 'its instance',
    profile: enrolment?.profile ?? null,
    error: failure.Error,
    sentence: sentenceOf(failure),
    isEnrolled,
    opsworksInstanceId: registration?.opsworksInstanceId,
    isPresented: association !== undefined,
    hook,
    decision,
  });
}

function identified(request: Request) {
  if (!request) return undefined;
  const { instanceId: instance, platform } = namedIn(request);
  return { instance, platform };
}

function outcome(
  request: Request,
  { instance, enrolment }: Progress,
  { action }: FailureDecision,
  failure: { error: string; cause: string; execution: string },
) {
  const known = instance && enrolment ? aboutEnrolment(instance, enrolment, failure.execution) : {};
  const detail = { ...NOTHING_KNOWN, ...identified(request), ...known, ...failure, action };
  return { detailType: action === 'hold' ? 'Instance Enrolment Held' : 'Instance Enrolment Failed', detail };
}

/** An execution that has lost its claim records nothing: the ledger item is its successor's. */
async function remember(
  { enrolment }: Progress,
  { isEnrolled }: FailureFacts,
  failure: { lastError: string; errorName: string; endedAt: string },
  call: Invocation,
): Promise<void> {
  if (!enrolment || enrolment.status === 'ignored' || enrolment.enrolledBefore) return;
  try {
    await record(claimOf(enrolment), { status: isEnrolled ? 'enrolled' : 'failed', ...failure }, call.signal);
  } catch (error) {
    if (!(error instanceof ClaimedElsewhere)) throw error;
    call.log('The failure is not recorded: another execution has claimed the instance');
  }
}
