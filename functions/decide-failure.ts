import * as z from 'zod';
import { EnrolmentRequest } from '../events/request.ts';
import { ClaimedElsewhere } from '../lib/errors.ts';
import { Association, Enrolment, Failure, Registration, sentenceOf } from '../lib/state.ts';
import { type Call, task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { record } from '../services/ledger.ts';

/** Whatever the enrolment had come to when it failed. */
const SoFar = z.object({
  enrolment: Enrolment.optional(),
  registration: Registration.optional(),
  association: Association.optional(),
  failure: Failure,
});
type SoFar = z.infer<typeof SoFar>;

/**
 * Decides what a failed enrolment means for its launch, and says in one sentence why it failed. The launch is held: its
 * hook stays pending, so that somebody can repair what is wrong and enrol the instance again before the hook expires.
 */
export const handler = task({ request: z.unknown(), soFar: SoFar }, async ({ request, soFar, task }, call) => {
  const cause = [whatFailed(request, soFar), whatIsLeft(soFar), whatToDo(request, soFar)].filter(Boolean).join(' ');
  emit('EnrolmentsFailed');
  await remember(soFar, cause, task.enteredTime, call);
  return { action: 'hold', error: soFar.failure.Error, cause };
});

function whatFailed(request: unknown, { failure, enrolment }: SoFar): string {
  const profile = enrolment?.profile ? ` (profile ${enrolment.profile})` : '';
  return `${nameOf(request)} was not enrolled${profile}: ${sentenceOf(failure)}`;
}

function whatIsLeft({ registration, association }: SoFar): string {
  const done = [
    registration && `registered with its stack as ${registration.opsworksInstanceId}`,
    association && 'presented to its configuration server',
  ].filter(Boolean);
  return done.length ? `By then it was ${done.join(' and ')}.` : '';
}

function whatToDo(request: unknown, { enrolment }: SoFar): string {
  const hook = enrolment?.hook;
  if (!hook) return '';
  return `Its launch still waits in the hook ${hook.lifecycleHookName}: mend this and start enrol-node with {"instanceId":"${nameOf(request)}"}.`;
}

function nameOf(request: unknown): string {
  const { data } = EnrolmentRequest.safeParse(request);
  return data?.instanceId ?? data?.lightsailInstanceName ?? 'The instance';
}

/** An execution that has lost its claim has nothing to record: what is in the ledger is its successor's. */
async function remember({ enrolment }: SoFar, lastError: string, endedAt: string, call: Call): Promise<void> {
  if (enrolment?.status !== 'enrolling') return;
  try {
    await record(
      { instance: enrolment.ledgerKey, generation: enrolment.generation },
      { status: 'failed', lastError, endedAt },
      call.signal,
    );
  } catch (error) {
    if (!(error instanceof ClaimedElsewhere)) throw error;
    call.log('The failure is not recorded: another execution has taken the instance');
  }
}
