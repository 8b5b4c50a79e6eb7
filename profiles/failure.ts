import { VERDICTS } from '../lib/errors.ts';
import type { Instance } from '../lib/instance.ts';
import type { Enrolment, FailureDecision, Hook } from '../lib/state.ts';

export interface FailureFacts {
  /** The error's name. */
  readonly error: string;
  /** Whether the node showed an identity document older than its launch, and has shown none since that is not. */
  readonly isUnproved: boolean;
  /** Undefined if the enrolment failed before ResolveProfile had answered. */
  readonly enrolment: Pick<Enrolment, 'status' | 'onFailure'> | undefined;
  /** The hook in which the launch waits. */
  readonly hook: Hook | null;
  /** Whether the ledger has the node as enrolled by this execution: only its launch is left to finish. */
  readonly isEnrolled: boolean;
}

/**
 * The whole failure policy, except the limit on abandons, which `decideAbandon` applies:
 *
 *   the instance is gone ──────────────────────────► none      undone: nothing else will undo it
 *   no launch waits, or not any more ──────────────► none      left as it is, for a person
 *   its profile is not known yet ──────────────────► hold      nothing says what else to do
 *   it is enrolled, only its launch is not finished ► hold      a good node is never abandoned
 *   onFailure: hold ───────────────────────────────► hold
 *   onFailure: continue ───────────────────────────► continue  into service as it is, because the profile says so
 *   onFailure: abandon ─┬─ no verdict on the instance ► hold    an outage, a role, secret, profile or quota of ours, or an
 *                       │                                      identity document that stayed older than the launch
 *                       ├─ abandonLimit is reached ► hold      a server that is down must not make a group replace its
 *                       │                                      instances in a loop
 *                       └─ else ───────────────────► abandon   undone; Auto Scaling launches another
 *
 * "Not ready yet" never gets here before its deadline: it waits in KeepWaiting, and arrives as DeadlinePassed.
 */
export function decideFailure({ error, isUnproved, enrolment, hook, isEnrolled }: FailureFacts): FailureDecision {
  if (error === 'InstanceGone') return { ...decision('none'), undo: enrolment?.status === 'enrolling' };
  if (!hook || error === 'LaunchDecided') return decision('none');
  if (!enrolment || isEnrolled) return decision('hold');
  if (enrolment.onFailure !== 'abandon') return decision(enrolment.onFailure);
  const isVerdict = VERDICTS.some((name) => name === error) && !(isUnproved && error === 'DeadlinePassed');
  if (!isVerdict) return decision('hold', 'It is held and not abandoned, because this is no verdict on the instance.');
  return { action: 'abandon', undo: true, instead: null };
}

/** The decision for a launch to abandon, once it is known whether its group's limit allows one more. */
export function decideAbandon(abandonLimit: number, isWithinLimit: boolean): FailureDecision {
  if (isWithinLimit) return { action: 'abandon', undo: true, instead: null };
  return decision(
    'hold',
    `It is held and not abandoned, because ${abandonLimit} launches of its group were abandoned within an hour.`,
  );
}

/** What counts as one abandon: the instance in its group; null if its launch waits in no hook. */
export function abandonOf(
  instance: Pick<Instance, 'region'> | undefined,
  { abandonLimit: limit, ledgerKey, hook }: Pick<Enrolment, 'abandonLimit' | 'ledgerKey' | 'hook'>,
) {
  if (!instance || !hook) return null;
  return { group: `${instance.region}/${hook.autoScalingGroupName}`, instance: ledgerKey, limit };
}

/** Whether the failure belongs into the ledger: not of an instance that was ignored, or enrolled by an earlier execution. */
export function isRecorded<Known extends Pick<Enrolment, 'status' | 'enrolledBefore'>>(
  enrolment: Known | undefined,
): enrolment is Known {
  return enrolment !== undefined && enrolment.status !== 'ignored' && !enrolment.enrolledBefore;
}

function decision(action: FailureDecision['action'], instead: string | null = null): FailureDecision {
  return { action, undo: false, instead };
}
