import * as z from 'zod';
import { EnrolmentRequest, namedIn } from '../events/request.ts';
import { profilesIn } from '../lib/compiled.ts';
import { DeadlinePassed, LaunchDecided } from '../lib/errors.ts';
import { type InstanceRef, ledgerKey } from '../lib/instance.ts';
import { Enrolment, Failure, type Hook, sentenceOf, type TaskContext, Waiting } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { isLaunchOver, launchHook } from '../profiles/launch.ts';
import { profilesForGroup } from '../profiles/match.ts';
import { findAnnouncement, hookOf } from '../services/announcements.ts';
import { findMember, recordHeartbeat } from '../services/auto-scaling.ts';

/**
 * For an enrolment that has not come as far as its profile: nothing is known yet that would set another limit. A launch
 * that waits in a hook can wait for 48 hours; one of them is for its decision.
 */
const UNRESOLVED_MINUTES = { inHook: 47 * 60, otherwise: 60 };

/** Between two looks at something that takes hours. The state machine adds it to what lies between two heartbeats. */
export const LONGEST_PAUSE_SECONDS = 840;

const SoFar = z.object({ enrolment: Enrolment.optional(), failure: Failure, waiting: Waiting.optional() });

/**
 * What every long wait passes through: keeps the launch from expiring meanwhile, and ends the waiting when its time is
 * over or the launch no longer waits for it.
 */
export const handler = task({ request: EnrolmentRequest, soFar: SoFar }, async ({ request, soFar, task }, call) => {
  const { enrolment, failure } = soFar;
  const ref = namedIn(request);
  const hook = enrolment ? enrolment.hook : await probableHook(ref, call.signal);
  const deadline = enrolment?.deadline ?? unresolvedDeadline(hook, task);
  if (Date.parse(task.enteredTime) >= Date.parse(deadline))
    throw new DeadlinePassed(
      `The time for this launch was over at ${deadline}. It waited because of ${failure.Error}: ${sentenceOf(failure)}`,
    );
  emit('SecondsWaiting', secondsBetween(task.startTime, task.enteredTime));
  const heartbeat = hook && (await recordHeartbeat(hook, ref, call.signal));
  if (hook && heartbeat === 'already-over') await requireNotOver(hook, ref, { soFar, task }, call.signal);
  return {
    deadline,
    pauseSeconds: pauseSeconds(task, deadline),
    absentSince: absentSince(soFar, task),
    hasWaitedForUs: heartbeat === 'recorded' || hasWaitedForUs(soFar),
    heartbeat,
  };
});

/**
 * Until ResolveProfile has decided: the hook that a profile names for the instance's group. It is asked of Auto Scaling and
 * not of the ledger, whose outage must not let the launch expire.
 */
async function probableHook(ref: InstanceRef, signal: AbortSignal): Promise<Hook | null> {
  if (ref.platform !== 'ec2') return null;
  const member = await findMember(ref, signal);
  const possible = member ? profilesForGroup(profilesIn(ref.region), member.autoScalingGroupName) : [];
  const profile = possible.find(({ lifecycleHook }) => lifecycleHook !== undefined);
  return profile ? launchHook(undefined, member, profile) : null;
}

async function announcedHook(ref: InstanceRef, { execution }: TaskContext, signal: AbortSignal): Promise<Hook | null> {
  return hookOf(await findAnnouncement(execution, ledgerKey(ref), signal));
}

function hasWaitedForUs({ waiting }: z.infer<typeof SoFar>): boolean {
  return waiting?.hasWaitedForUs ?? false;
}

/** @throws LaunchDecided if the launch has waited for us, and is over now */
async function requireNotOver(
  hook: Hook,
  ref: InstanceRef,
  { soFar, task }: { soFar: z.infer<typeof SoFar>; task: TaskContext },
  signal: AbortSignal,
): Promise<void> {
  const announced = hasWaitedForUs(soFar) ? hook : await announcedHook(ref, task, signal);
  const isOurs = announced?.lifecycleHookName === hook.lifecycleHookName;
  if (!isLaunchOver(isOurs, await findMember(ref, signal))) return;
  throw new LaunchDecided(
    `The launch of ${ref.instanceId} no longer waits in the hook ${hook.lifecycleHookName} of ${hook.autoScalingGroupName}: it expired or was completed by somebody else.`,
  );
}

/** Only DescribeInstance says InstanceNotFound. Any other failure comes after a sighting, or after no look at all. */
function absentSince({ failure, waiting }: z.infer<typeof SoFar>, { enteredTime }: TaskContext): string | null {
  return failure.Error === 'InstanceNotFound' ? (waiting?.absentSince ?? enteredTime) : null;
}

function unresolvedDeadline(hook: Hook | null, { startTime }: TaskContext): string {
  const minutes = hook ? UNRESOLVED_MINUTES.inHook : UNRESOLVED_MINUTES.otherwise;
  return new Date(Date.parse(startTime) + minutes * 60_000).toISOString();
}

/**
 * A tenth of the time that it has waited: soon enough after a minute, and after hours rare enough. At an even pace,
 * 48 hours would not fit into the 25,000 events that an execution's history may have.
 */
function pauseSeconds({ startTime, enteredTime }: TaskContext, deadline: string): number {
  const waitedSeconds = secondsBetween(startTime, enteredTime);
  const leftSeconds = secondsBetween(enteredTime, deadline);
  return Math.floor(Math.min(waitedSeconds / 10, LONGEST_PAUSE_SECONDS, leftSeconds));
}

function secondsBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}
