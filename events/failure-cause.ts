import type { FailureDecision, Hook } from '../lib/state.ts';

/** What the cause of a failed enrolment is written from. */
export interface FailedEnrolment {
  /** The instance as the request names it, or "The instance" if the request cannot be read. */
  readonly name: string;
  /** The input for another start of enrol-node by hand. */
  readonly input: string;
  readonly profile: string | null;
  /** The error's name and its sentence. */
  readonly error: string;
  readonly sentence: string;
  /** Whether the node is enrolled, and only its launch is not finished. */
  readonly isEnrolled: boolean;
  /** The instance's id in its stack, if it was registered. */
  readonly opsworksInstanceId: string | undefined;
  /** Whether the node was presented to its configuration server. */
  readonly isPresented: boolean;
  readonly hook: Hook | null;
  /** Whether the launch was over before it could be completed as decided. */
  readonly isTooLate: boolean;
  readonly decision: FailureDecision;
}

/** What happened, what is left behind, and what to do next: for operators. */
export function causeOf(failed: FailedEnrolment): string {
  return [whatFailed(failed), whatIsLeft(failed), whatNext(failed)].filter(Boolean).join(' ');
}

function whatFailed({ name, profile, isEnrolled, sentence }: FailedEnrolment): string {
  const fault = isEnrolled ? 'is enrolled, but its launch was not finished' : 'was not enrolled';
  return `${name} ${fault}${profile === null ? '' : ` (profile ${profile})`}: ${sentence}`;
}

function whatIsLeft({ opsworksInstanceId, isPresented, decision }: FailedEnrolment): string {
  const done = [
    opsworksInstanceId && `registered with its stack as ${opsworksInstanceId}`,
    isPresented && 'presented to its configuration server',
  ].filter(Boolean);
  if (done.length === 0) return '';
  return `By then it was ${done.join(' and ')}; ${decision.undo ? 'retire-node undoes that.' : 'that is left as it is.'}`;
}

const UNDECIDED = (byHand: string) => `What becomes of its launch could not be decided, so its hook decides: ${byHand}`;

function whatNext({ hook, decision: { action, instead }, isTooLate, error, input }: FailedEnrolment): string {
  const byHand = `fix this and start enrol-node with ${input}.`;
  if (isTooLate)
    return `Its launch was over before it could be completed: the hook ${hook?.lifecycleHookName} expired, or someone else completed it. To enrol it, ${byHand}`;
  switch (action) {
    case 'hold':
      return [
        instead,
        hook ? `Its launch still waits in the hook ${hook.lifecycleHookName}: ${byHand}` : UNDECIDED(byHand),
      ]
        .filter(Boolean)
        .join(' ');
    case 'abandon':
      return 'Its launch is abandoned, and Auto Scaling replaces it.';
    case 'continue':
      return `Its launch continues without enrolment, as the profile says. To enrol it, ${byHand}`;
    case 'none':
      return error === 'InstanceGone' ? '' : `To enrol it, ${byHand}`;
  }
}
