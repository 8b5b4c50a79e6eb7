import * as z from 'zod';
import { Instance } from '../lib/instance.ts';
import { Association, Decision, Enrolment, Failure, Registration, Release, sentenceOf, Waiting } from '../lib/state.ts';
import { causeOf } from './failure-cause.ts';
import { aboutEnrolment, NOTHING_KNOWN } from './outcomes.ts';
import { type EnrolmentRequest, labelOf, namedIn, naming } from './request.ts';

/** The state's data when the enrolment failed, as far as it got. */
export const EnrolmentProgress = z.object({
  instance: Instance.optional(),
  enrolment: Enrolment.optional(),
  registration: Registration.optional(),
  association: Association.optional(),
  waiting: Waiting.optional(),
  failure: Failure,
});
export type EnrolmentProgress = z.infer<typeof EnrolmentProgress>;

/** The same once its launch is decided. */
export const DecidedProgress = EnrolmentProgress.extend({ decision: Decision, release: Release.optional() });

/** A failed enrolment whose launch is decided. */
interface DecidedFailure {
  /** Undefined if the request is invalid, which may be why the enrolment failed. */
  readonly request: EnrolmentRequest | undefined;
  readonly progress: z.infer<typeof DecidedProgress>;
  readonly execution: string;
}

/** The event of a failed enrolment. Its `cause` is the whole message for operators. */
export function failureOutcome({ request, progress, execution }: DecidedFailure) {
  const { instance, enrolment, registration, association, failure, release } = progress;
  const { hook, isEnrolled } = progress.decision;
  const named = request && namedIn(request);
  // A decision that came too late has decided nothing.
  const isTooLate = release?.lifecycleAction === 'already-over';
  const decision = isTooLate ? { ...progress.decision, action: 'none' as const } : progress.decision;
  const cause = causeOf({
    name: named ? labelOf(named) : 'The instance',
    input: named ? JSON.stringify(naming(named)) : 'its instance',
    profile: enrolment?.profile ?? null,
    error: failure.Error,
    sentence: sentenceOf(failure),
    isEnrolled,
    opsworksInstanceId: registration?.opsworksInstanceId,
    isPresented: association !== undefined,
    hook,
    isTooLate,
    decision,
  });
  const detail = {
    ...NOTHING_KNOWN,
    ...(named && { instance: named.instanceId, platform: named.platform }),
    ...(instance && enrolment && aboutEnrolment(instance, enrolment, execution)),
    error: failure.Error,
    cause,
    execution,
    action: decision.action,
  };
  const detailType = decision.action === 'hold' ? 'Instance Enrolment Held' : 'Instance Enrolment Failed';
  return { detailType, detail } as const;
}
