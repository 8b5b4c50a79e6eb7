import * as z from 'zod';
import { aboutEnrolment, NOTHING_KNOWN } from '../events/outcomes.ts';
import { EnrolmentRequest, namedIn, naming } from '../events/request.ts';
import { home } from '../lib/config.ts';
import { ClaimedElsewhere, NEVER } from '../lib/errors.ts';
import { Instance } from '../lib/instance.ts';
import { Association, Enrolment, Failure, type Hook, Registration, sentenceOf } from '../lib/state.ts';
import { type Call, task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { claimOf, countAbandon, findItem, record } from '../services/ledger.ts';
import { notify } from '../services/notifications.ts';

/** Whatever the enrolment had come to when it failed. */
const SoFar = z.object({
  instance: Instance.optional(),
  enrolment: Enrolment.optional(),
  registration: Registration.optional(),
  association: Association.optional(),
  failure: Failure,
});
type SoFar = z.infer<typeof SoFar>;

/** Undefined where the request is none: that may be why it failed. */
type Asked = EnrolmentRequest | undefined;

/** What becomes of the launch, and whether what was done for the instance is taken back. */
export interface Decision {
  action: 'hold' | 'abandon' | 'continue' | 'none';
  undo: boolean;
  /** Why the profile's own wish is not followed; null where it is. */
  instead: string | null;
}

/** Decides what a failed enrolment means for its launch, and says why it failed and what to do. */
export const handler = task({ request: z.unknown(), soFar: SoFar }, async ({ request, soFar, task }, call) => {
  const asked = EnrolmentRequest.safeParse(request).data;
  const isFinished = await isEnrolled(soFar, call);
  const hook = hookOf(asked, soFar);
  const decision = await decide({ ...soFar, hook }, isFinished, (limit) =>
    mayAbandon({ ...soFar, hook }, limit, task.enteredTime, call),
  );
  const error = soFar.failure.Error;
  const cause = [
    whatFailed(asked, soFar, isFinished),
    whatIsLeft(soFar, decision),
    whatNow(asked, hook, decision, error),
  ]
    .filter(Boolean)
    .join(' ');
  await remember(soFar, isFinished, { lastError: cause, errorName: error }, task.enteredTime, call);
  await notify(outcome(asked, soFar, decision, { error, cause, execution: task.execution }), call.signal);
  emit('EnrolmentsFailed');
  if (decision.action === 'hold') emit('EnrolmentsHeld');
  if (decision.instead) emit('PolicyRelaxed');
  return { ...decision, error, cause };
});

/**
 * The failure policy, whole:
 *
 *   the instance is gone ──────────────────────────► none      undone: nobody else will
 *   no launch waits, or no more ───────────────────► none      left as it is, for a person
 *   its profile is not known yet ──────────────────► hold      nobody has said what else to do
 *   it is enrolled, only its launch is not finished ► hold      a good node is never abandoned
 *   onFailure: hold ───────────────────────────────► hold
 *   onFailure: continue ───────────────────────────► continue  into service as it is, because the profile says so
 *   onFailure: abandon ─┬─ not a verdict we know ──► hold      it may be an outage of something, or our own fault
 *                       ├─ abandonLimit is reached ► hold      a server that is down must not make a group kill its
 *                       │                                      instances in a loop
 *                       └─ else ───────────────────► abandon   undone; Auto Scaling launches another
 *
 * What is not ready yet never comes here before its deadline: it waits in KeepWaiting, and comes as DeadlinePassed.
 */
export async function decide(
  { enrolment, failure, hook }: Pick<SoFar, 'enrolment' | 'failure'> & { hook: Hook | null },
  isFinished: boolean,
  mayAbandon: (limit: number) => Promise<boolean>,
): Promise<Decision> {
  const as = (action: Decision['action'], instead: string | null = null) => ({
    action,
    undo: action === 'abandon',
    instead,
  });
  if (failure.Error === 'InstanceGone') return { ...as('none'), undo: enrolment?.status === 'enrolling' };
  if (!hook || failure.Error === 'LaunchDecided') return as('none');
  if (!enrolment || isFinished) return as('hold');
  if (enrolment.onFailure !== 'abandon') return as(enrolment.onFailure);
  if (!NEVER.some((name) => name === failure.Error))
    return as('hold', 'It is held and not abandoned, because this is no verdict on the instance.');
  if (!(await mayAbandon(enrolment.abandonLimit)))
    return as(
      'hold',
      `It is held and not abandoned, because ${enrolment.abandonLimit} launches of its group were abandoned within an hour.`,
    );
  return as('abandon');
}

/** The launch that waits; the event says it until ResolveProfile does. */
function hookOf(asked: Asked, { enrolment }: SoFar): Hook | null {
  return enrolment ? enrolment.hook : (asked?.lifecycleAction ?? null);
}

/** Whether FinishLaunch had recorded the node as enrolled when it failed. */
async function isEnrolled({ enrolment }: SoFar, call: Call): Promise<boolean> {
  if (!enrolment || enrolment.status === 'ignored') return false;
  const item = await findItem(enrolment.ledgerKey, call.signal);
  return item?.status === 'enrolled' && item.generation === enrolment.generation;
}

async function mayAbandon(
  { instance, enrolment, hook }: SoFar & { hook: Hook | null },
  limit: number,
  at: string,
  call: Call,
): Promise<boolean> {
  if (!instance || !enrolment || !hook) return false;
  const group = `${instance.region}/${hook.autoScalingGroupName}`;
  return countAbandon({ group, instance: enrolment.ledgerKey, at, limit }, call.signal);
}

function whatFailed(asked: Asked, { failure, enrolment }: SoFar, isFinished: boolean): string {
  const profile = enrolment?.profile ? ` (profile ${enrolment.profile})` : '';
  const fault = isFinished ? 'is enrolled, but its launch was not finished' : 'was not enrolled';
  return `${nameOf(asked)} ${fault}${profile}: ${sentenceOf(failure)}`;
}

function whatIsLeft({ registration, association }: SoFar, { undo }: Decision): string {
  const done = [
    registration && `registered with its stack as ${registration.opsworksInstanceId}`,
    association && 'presented to its configuration server',
  ].filter(Boolean);
  if (done.length === 0) return '';
  return `By then it was ${done.join(' and ')}; ${undo ? 'retire-node takes that back.' : 'that is left as it is.'}`;
}

function whatNow(asked: Asked, hook: Hook | null, { action, instead }: Decision, error: string): string {
  const input = asked ? JSON.stringify(naming(namedIn(asked, home()), home())) : 'its instance';
  const byHand = `mend this and start enrol-node with ${input}.`;
  switch (action) {
    case 'hold':
      return `${instead ? `${instead} ` : ''}Its launch still waits in the hook ${hook?.lifecycleHookName}: ${byHand}`;
    case 'abandon':
      return 'Its launch is abandoned, and Auto Scaling replaces it.';
    case 'continue':
      return `Its launch goes on all the same, as the profile says. To enrol it, ${byHand}`;
    case 'none':
      return error === 'InstanceGone' ? '' : `To enrol it, ${byHand}`;
  }
}

/** With its Region where that is another than the stack's own: a Lightsail name is only unique in its Region. */
function nameOf(asked: Asked): string {
  const where = asked?.region === undefined ? '' : ` of ${asked.region}`;
  return `${identified(asked)?.instance ?? 'The instance'}${where}`;
}

function identified(asked: Asked) {
  if (!asked) return undefined;
  const { instanceId: instance, platform } = namedIn(asked, home());
  return { instance, platform };
}

interface Told {
  error: string;
  cause: string;
  execution: string;
}

function outcome(
  asked: Asked,
  { instance, enrolment }: SoFar,
  { action }: Decision,
  { error, cause, execution }: Told,
) {
  const known = instance && enrolment ? aboutEnrolment(instance, enrolment, execution) : {};
  const detail = { ...NOTHING_KNOWN, ...identified(asked), ...known, execution, error, cause, action };
  return { detailType: action === 'hold' ? 'Instance Enrolment Held' : 'Instance Enrolment Failed', detail };
}

/** An execution that has lost its claim has nothing to record: what is in the ledger is its successor's. */
async function remember(
  { enrolment }: SoFar,
  isFinished: boolean,
  failure: { lastError: string; errorName: string },
  endedAt: string,
  call: Call,
) {
  if (!enrolment || enrolment.status === 'ignored' || enrolment.enrolledBefore) return;
  const status = isFinished ? ('enrolled' as const) : ('failed' as const);
  try {
    await record(claimOf(enrolment), { status, ...failure, endedAt }, call.signal);
  } catch (error) {
    if (!(error instanceof ClaimedElsewhere)) throw error;
    call.log('The failure is not recorded: another execution has taken the instance');
  }
}
