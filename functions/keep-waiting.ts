import * as z from 'zod';
import { EnrolmentRequest, namedIn } from '../events/request.ts';
import { secondsUntilConfirmed } from '../lib/absence.ts';
import { profilesIn } from '../lib/compiled.ts';
import {
  DeadlinePassed,
  IdentityUnproved,
  InvalidRequest,
  LaunchDecided,
  ServiceUnavailable,
  Throttled,
} from '../lib/errors.ts';
import { type GroupMember, type InstanceRef, ledgerKey } from '../lib/instance.ts';
import { Enrolment, Failure, type Hook, sentenceOf, type TaskContext, Waiting } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { hookOfAction, type WaitingAction } from '../lib/waiting-action.ts';
import { deadlineOf } from '../profiles/deadline.ts';
import { isLaunchOver, launchHook } from '../profiles/launch.ts';
import { profilesForGroup } from '../profiles/match.ts';
import { pauseOf, secondsBetween } from '../profiles/waiting.ts';
import { findHook, findMember } from '../services/auto-scaling.ts';
import { findWaiting } from '../services/waiting-actions.ts';

/** The limit of a launch without a hook until ResolveProfile has run. */
const UNRESOLVED = { enrolWithinMinutes: 60 };

const Progress = z.object({ enrolment: Enrolment.optional(), failure: Failure, waiting: Waiting.optional() });
type Progress = z.infer<typeof Progress>;

/** The launch for which an enrolment waits. */
interface Launch {
  readonly hook: Hook | null;
  readonly deadline: string;
  /** Whether we saw the instance wait in our hook. Only then does leaving Pending mean that its launch is over. */
  readonly hasWaitedForUs: boolean;
}

/**
 * What every long wait passes through: ends the waiting when its time is over, or when the launch no longer waits for it.
 * The watch keeps the launch alive meanwhile.
 */
export const handler = task(
  { request: EnrolmentRequest, soFar: Progress },
  async ({ request, soFar, task }, { signal }) => {
    const ref = namedIn(request);
    // Check the deadline first, so that an error below can't postpone it.
    if (soFar.enrolment) requireTime(soFar.enrolment.deadline, soFar.failure, task);
    const dependencyMissingSince = missedSince('DependencyMissing', soFar.waiting?.dependencyMissingSince, soFar, task);
    requireDependency(dependencyMissingSince, soFar.failure, task);
    const { hook, deadline, hasWaitedForUs } = await gatherLaunch(ref, soFar, task, signal);
    requireTime(deadline, soFar.failure, task);
    emit('SecondsWaiting', secondsBetween(task.startTime, task.enteredTime));
    if (hook) requireLaunching(hook, ref, hasWaitedForUs, await findMember(ref, signal));
    return {
      ...pauseOf(task, deadline),
      absentSince: missedSince('InstanceNotFound', soFar.waiting?.absentSince, soFar, task),
      unregisteredSince: missedSince('RegistrationMissing', soFar.waiting?.unregisteredSince, soFar, task),
      dependencyMissingSince,
      outdatedSince: outdatedSince(soFar, task),
      hasWaitedForUs,
    };
  },
);

async function gatherLaunch(
  ref: InstanceRef,
  { enrolment, waiting }: Progress,
  { startTime }: TaskContext,
  signal: AbortSignal,
): Promise<Launch> {
  const hasWaitedForUs = waiting?.hasWaitedForUs || enrolment?.hasWaitedForUs || false;
  const isKnown = enrolment !== undefined && (enrolment.hook === null || hasWaitedForUs);
  const action = isKnown || ref.platform !== 'ec2' ? undefined : await findLaunch(ref, signal);
  if (enrolment) {
    const { hook, deadline } = enrolment;
    const isSeen = action?.heartbeatAt !== undefined && action.lifecycleHookName === hook?.lifecycleHookName;
    return { hook, deadline, hasWaitedForUs: hasWaitedForUs || isSeen };
  }
  const facts = { profile: UNRESOLVED, launchTime: null, startTime };
  if (action) {
    const deadline = deadlineOf({ ...facts, hookTimes: action, announcedAt: action.since, seenAt: action.seenAt });
    return { hook: hookOfAction(action), deadline, hasWaitedForUs: action.heartbeatAt !== undefined };
  }
  const hook = await probableHook(ref, signal);
  const hookTimes = hook ? await findHook(hook, ref.region, signal) : undefined;
  return { hook, deadline: deadlineOf({ ...facts, hookTimes, announcedAt: null, seenAt: null }), hasWaitedForUs };
}

/** An outage of the ledger must not end the waiting: without an item, Auto Scaling is asked. */
async function findLaunch(ref: InstanceRef, signal: AbortSignal): Promise<WaitingAction | undefined> {
  try {
    const action = await findWaiting(ledgerKey(ref), signal);
    return action?.transition === 'launching' ? action : undefined;
  } catch (error) {
    if (error instanceof ServiceUnavailable || error instanceof Throttled) return undefined;
    throw error;
  }
}

/** Until ResolveProfile has decided: the hook that a profile names for the instance's group. */
async function probableHook(ref: InstanceRef, signal: AbortSignal): Promise<Hook | null> {
  if (ref.platform !== 'ec2') return null;
  const member = await findMember(ref, signal);
  const possible = member ? profilesForGroup(profilesIn(ref.region), member.autoScalingGroupName) : [];
  const profile = possible.find(({ lifecycleHook }) => lifecycleHook !== undefined);
  return profile ? launchHook(undefined, member, profile) : null;
}

/** @throws DeadlinePassed with the reason for the wait; IdentityUnproved if that reason is IdentityOutdated */
function requireTime(deadline: string, failure: Failure, { enteredTime }: TaskContext): void {
  if (Date.parse(enteredTime) < Date.parse(deadline)) return;
  const Over = failure.Error === 'IdentityOutdated' ? IdentityUnproved : DeadlinePassed;
  throw new Over(
    `The time for this launch was over at ${deadline}. It waited because of ${failure.Error}: ${sentenceOf(failure)}`,
  );
}

/** @throws InvalidRequest if a second look, minutes after the first, has missed it too: then the profile is wrong */
function requireDependency(missingSince: string | null, failure: Failure, { enteredTime }: TaskContext): void {
  if (missingSince === null || secondsUntilConfirmed(missingSince, enteredTime) > 0) return;
  throw new InvalidRequest(`${sentenceOf(failure)} It has been missing since ${missingSince}.`);
}

/** @throws LaunchDecided if the launch has waited for us, and is over now */
function requireLaunching(
  hook: Hook,
  { instanceId }: InstanceRef,
  hasWaitedForUs: boolean,
  member: GroupMember | undefined,
): void {
  if (!isLaunchOver(hasWaitedForUs, member)) return;
  throw new LaunchDecided(
    `The launch of ${instanceId} no longer waits in the hook ${hook.lifecycleHookName} of ${hook.autoScalingGroupName}: it expired, or someone else completed it.`,
  );
}

/** When the object was first missed. Any other failure resets it: the object was found, or wasn't looked up. */
function missedSince(
  error: 'InstanceNotFound' | 'RegistrationMissing' | 'DependencyMissing',
  before: string | null | undefined,
  { failure }: Progress,
  { enteredTime }: TaskContext,
): string | null {
  return failure.Error === error ? (before ?? enteredTime) : null;
}

/** IdentityPending keeps the start time, because the agent may be silent between two checks. Any other failure resets it. */
function outdatedSince({ failure, waiting }: Progress, { enteredTime }: TaskContext): string | null {
  if (failure.Error === 'IdentityOutdated') return waiting?.outdatedSince ?? enteredTime;
  return failure.Error === 'IdentityPending' ? (waiting?.outdatedSince ?? null) : null;
}
