import { type EnrolmentRequest, EnrolmentRequest as Request } from '../events/request.ts';
import { profiles } from '../lib/config.ts';
import { ClaimedElsewhere } from '../lib/errors.ts';
import { matchProfile, type Profile, profileVersion } from '../lib/profiles.ts';
import { type Enrolment, type Hook, Instance, ledgerKey, type TaskContext } from '../lib/state.ts';
import { type Call, task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { findHook, waitsInLaunchHook } from '../services/auto-scaling.ts';
import { claim, findItem, type LedgerItem } from '../services/ledger.ts';
import { isRunning } from '../services/state-machines.ts';

/** Decides what happens to the instance, and claims it: one execution owns an instance at a time. */
export const handler = task({ request: Request, instance: Instance }, async (input, call): Promise<Enrolment> => {
  const { request, instance, task } = input;
  const profile = matchProfile(profiles(), instance);
  const reason = whyIgnored(request, instance, profile);
  if (!profile || reason) return ignored(instance, reason ?? '', task, call);

  const hook = await waitingHook(request, instance, profile, call);
  const deadline = await deadlineOf(request, profile, hook, task, call);
  const seen = await findItem(ledgerKey(instance), call.signal);
  const enrolment = { ...resolved(instance, profile), hook, deadline };
  if (seen && isEnrolled(seen, instance, enrolment.profileVersion)) {
    return { ...enrolment, status: 'enrolled', generation: seen.generation };
  }
  await requireFree(seen, task, call);
  const generation = await claim(seen, claimFor(instance, enrolment, task), call.signal);
  if (seen?.execution !== task.execution) emit('EnrolmentsStarted');
  return { ...enrolment, generation };
});

function whyIgnored(
  request: EnrolmentRequest,
  { instanceId }: Instance,
  profile: Profile | undefined,
): string | undefined {
  if (!profile) return `No profile matches ${instanceId}.`;
  const { lifecycleHook, name } = profile;
  const announced = request.lifecycleAction?.lifecycleHookName;
  if (announced && announced !== lifecycleHook)
    return `${announced} is not the hook of the profile ${name}, which matches ${instanceId}.`;
  // Launch Successful comes for every member of a group; where a hook is named, the hook's own event enrols.
  if (request.autoScalingGroupName && !announced && lifecycleHook)
    return `The profile ${name} enrols ${instanceId} in its hook ${lifecycleHook}.`;
  return undefined;
}

function ignored(instance: Instance, reason: string, task: TaskContext, call: Call): Enrolment {
  call.log('Ignored', { reason });
  emit('EnrolmentsIgnored');
  return {
    ...NOTHING_WANTED,
    status: 'ignored',
    reason,
    ledgerKey: ledgerKey(instance),
    deadline: task.startTime,
  };
}

const NOTHING_WANTED = {
  reason: null,
  generation: 0,
  profile: null,
  profileVersion: null,
  hook: null,
  register: null,
  associate: null,
  metadata: null,
  wants: { hardening: false, identity: false, registration: false, association: false, assignment: false },
} as const;

function resolved(instance: Instance, profile: Profile) {
  const register = profile.register ?? null;
  const associate = profile.associate ?? null;
  const metadata = profile.metadata ?? null;
  // A node is reached over Systems Manager, which a Lightsail instance is no part of.
  const reachable = instance.platform === 'ec2';
  return {
    ...NOTHING_WANTED,
    status: 'enrolling' as const,
    ledgerKey: ledgerKey(instance),
    profile: profile.name,
    profileVersion: profileVersion(profile),
    register,
    associate,
    metadata,
    wants: {
      hardening: metadata !== null,
      identity: reachable && (register !== null || associate !== null),
      registration: reachable && register !== null,
      association: reachable && associate !== null,
      assignment: reachable && register?.layerIds !== undefined,
    },
  };
}

/** The hook that the event brought, or, for a person, the profile's own if the instance waits in it. */
async function waitingHook(
  request: EnrolmentRequest,
  instance: Instance,
  profile: Profile,
  call: Call,
): Promise<Hook | null> {
  if (request.lifecycleAction) {
    const { autoScalingGroupName, lifecycleHookName, lifecycleActionToken } = request.lifecycleAction;
    return { autoScalingGroupName, lifecycleHookName, lifecycleActionToken };
  }
  const { autoScalingGroupName, instanceId } = instance;
  if (!profile.lifecycleHook || !autoScalingGroupName) return null;
  if (!(await waitsInLaunchHook(instanceId, call.signal))) return null;
  return { autoScalingGroupName, lifecycleHookName: profile.lifecycleHook, lifecycleActionToken: null };
}

/** The hook's own limit counts from the event; where none waits, or a person started this, the profile's counts from now. */
async function deadlineOf(
  { trigger }: EnrolmentRequest,
  profile: Profile,
  hook: Hook | null,
  { startTime }: TaskContext,
  call: Call,
): Promise<string> {
  const times = hook && trigger ? await findHook(hook, call.signal) : undefined;
  const from = Date.parse(times && trigger ? trigger.eventTime : startTime);
  const seconds = times?.globalTimeoutSeconds ?? profile.enrolWithinMinutes * 60;
  return new Date(from + seconds * 1000).toISOString();
}

/** Enrolled as this profile says now. A Lightsail name can be given again; its instance is then another one. */
function isEnrolled(seen: LedgerItem, { platform, launchTime }: Instance, version: string): boolean {
  const same = platform === 'ec2' || seen.launchTime === launchTime;
  return seen.status === 'enrolled' && seen.profileVersion === version && same;
}

/** @throws ClaimedElsewhere while the execution that owns the instance runs. One that no longer runs owns nothing. */
async function requireFree(seen: LedgerItem | undefined, task: TaskContext, call: Call): Promise<void> {
  if (seen?.status !== 'enrolling' || seen.execution === task.execution) return;
  if (!(await isRunning(seen.execution, call.signal))) return;
  throw new ClaimedElsewhere(`${seen.instance} is being enrolled by ${seen.execution}.`);
}

function claimFor(instance: Instance, enrolment: { profile: string; profileVersion: string }, task: TaskContext) {
  return {
    instance: ledgerKey(instance),
    execution: task.execution,
    profile: enrolment.profile,
    profileVersion: enrolment.profileVersion,
    nodeName: instance.nodeName,
    launchTime: instance.launchTime,
    claimedAt: task.enteredTime,
  };
}
