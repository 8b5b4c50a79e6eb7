import * as z from 'zod';
import { Instance } from '../lib/instance.ts';
import {
  Association,
  Enrolment,
  Failure,
  type FailureDecision,
  type Hook,
  Registration,
  sentenceOf,
} from '../lib/state.ts';
import { causeOf } from './failure-cause.ts';
import { aboutEnrolment, NOTHING_KNOWN } from './outcomes.ts';
import { type EnrolmentRequest, labelOf, namedIn, naming } from './request.ts';

/** The state's data when the enrolment failed, as far as it got. */
export const EnrolmentProgress = z.object({
  instance: Instance.optional(),
  enrolment: Enrolment.optional(),
  registration: Registration.optional(),
  association: Association.optional(),
  failure: Failure,
});
export type EnrolmentProgress = z.infer<typeof EnrolmentProgress>;

/** A failed enrolment, and what was decided about its launch. */
interface DecidedFailure {
  /** Undefined if the request is invalid, which may be why the enrolment failed. */
  readonly request: EnrolmentRequest | undefined;
  readonly progress: EnrolmentProgress;
  readonly hook: Hook | null;
  /** Whether the node is enrolled, and only its launch is not finished. */
  readonly isEnrolled: boolean;
  readonly decision: FailureDecision;
  readonly execution: string;
}

/** The event of a failed enrolment. Its `cause` is the whole message for operators. */
export function failureOutcome({ request, progress, hook, isEnrolled, decision, execution }: DecidedFailure) {
  const { instance, enrolment, registration, association, failure } = progress;
  const named = request && namedIn(request);
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
