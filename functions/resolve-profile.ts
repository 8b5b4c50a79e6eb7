import { EnrolmentRequest, isSwept } from '../events/request.ts';
import { exemptions, home, profiles } from '../lib/config.ts';
import { ClaimedElsewhere, InstanceGone, InvalidRequest } from '../lib/errors.ts';
import { Instance, ledgerKey } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { Associate, Exemption, Profile } from '../lib/profile.ts';
import type { Enrolment, Hook, TaskContext } from '../lib/state.ts';
import { type Call, task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { driftOf } from '../profiles/drift.ts';
import { type Exemptions, exemptionsOf, exemptParts, leavingOut, withoutExempted } from '../profiles/exemptions.ts';
import { matchProfile } from '../profiles/match.ts';
import { identityFrom } from '../profiles/plan.ts';
import { profileVersion } from '../profiles/version.ts';
import { findHook, findMember, type HookTimes, WAITS_IN_LAUNCH_HOOK } from '../services/auto-scaling.ts';
import { claim, findItem } from '../services/ledger.ts';
import { isRunning } from '../services/state-machines.ts';

/** Decides what happens to the instance, and claims it: one execution owns an instance at a time. */
export const handler = task(
  { request: EnrolmentRequest, instance: Instance },
  async (input, call): Promise<Enrolment> => {
    const { request, instance, task } = input;
    const profile = matchProfile(profiles(), instance, home());
    const reason = whyIgnored(request, instance, profile);
    if (!profile || reason) {
      if (isOurs(request.lifecycleAction?.lifecycleHookName)) emit('LaunchesUnmatched');
      return ignored(instance, reason ?? '', task, call);
    }

    const hook = await waitingHook(request, instance, profile, call);
    const times = hook && (await findHook(hook, instance.region, call.signal));
    const deadline = deadlineOf(request, profile, { hook, times }, task);
    const seen = await findItem(ledgerKey(instance), call.signal);
    const exempt = leavingOut(
      exemptionsOf(exemptions(), instance, task.enteredTime),
      request.leaveOut,
      task.enteredTime,
    );
    const enrolment = { ...resolved(instance, profile, exempt, request), hook, deadline };
    requireNotRetired(seen, request, instance);
    if (enrolment.exempt.length > 0) call.log('Exempt', { from: enrolment.exempt, exemptions: enrolment.exemptions });
    const drift = driftOf(instance, seen, { profile, exempt, isAssociated: enrolment.wants.association });
    if (seen && !drift.enrolment && !drift.metadata) {
      const enrolledBefore = seen.execution !== task.execution;
      return { ...enrolment, status: 'enrolled', enrolledBefore, generation: seen.generation };
    }
    await requireFree(seen, task, call);
    const { generation } = await claim(seen, claimFor(instance, enrolment, task), call.signal);
    if (seen?.execution !== task.execution) emit('EnrolmentsStarted');
    // An enrolled node is hardened, and neither it nor its servers are asked again.
    return {
      ...enrolment,
      generation,
      ...(!drift.enrolment && { wants: { ...NOTHING_WANTED.wants, hardening: true } }),
    };
  },
);

/** Whether some profile names the hook; other people's launches wait for other people. */
function isOurs(hookName: string | undefined): boolean {
  return hookName !== undefined && profiles().some(({ lifecycleHook }) => lifecycleHook === hookName);
}

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
  // As start-enrolment has it, where it took the instance's tags to tell which profile is meant.
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
  enrolledBefore: false,
  generation: 0,
  profile: null,
  profileVersion: null,
  onFailure: 'hold',
  abandonLimit: 0,
  hook: null,
  exempt: [],
  exemptions: { imdsv2: null, association: null },
  register: null,
  associate: null,
  metadata: null,
  wants: {
    check: false,
    hardening: false,
    identity: 'none',
    registration: false,
    association: false,
    installation: false,
    assignment: false,
  },
} satisfies Partial<Enrolment>;

function resolved(instance: Instance, profile: Profile, exempt: Exemptions, request: EnrolmentRequest) {
  const asked = withoutExempted(profile, exempt);
  const { register = null, associate = null, metadata = null } = asked;
  const isEc2 = instance.platform === 'ec2';
  const identity = identityFrom(instance, asked, request.identity !== undefined);
  const association = associate !== null && identity !== 'none';
  return {
    ...NOTHING_WANTED,
    status: 'enrolling' as const,
    ledgerKey: ledgerKey(instance),
    profile: profile.name,
    profileVersion: profileVersion(profile),
    onFailure: profile.onFailure,
    abandonLimit: profile.abandonLimit,
    exempt: exemptParts(profile, exempt),
    exemptions: { imdsv2: toldOf(exempt.imdsv2), association: toldOf(exempt.association) },
    register,
    associate,
    metadata,
    wants: {
      check: association && associate.engine !== 'opsworks-cm',
      hardening: metadata !== null,
      identity,
      registration: isEc2 && register !== null,
      association,
      // Whoever brought the CSR has the node's key at hand, and takes the certificate from the execution's output.
      installation: association && identity === 'node' && isInstalled(associate),
      assignment: isEc2 && register?.layerIds !== undefined,
    },
  };
}

function toldOf(exemption: Exemption | null): Enrolment['exemptions']['imdsv2'] {
  return exemption && { owner: exemption.owner, reason: exemption.reason, until: exemption.expires };
}

/** Chef's nodes under OpsWorks CM are sent nothing: their image brings what they need. */
function isInstalled(associate: Associate): boolean {
  return associate.engine !== 'opsworks-cm' || associate.serverEngine === 'Puppet';
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
  const { autoScalingGroupName } = instance;
  if (!profile.lifecycleHook || !autoScalingGroupName) return null;
  const member = await findMember(instance, call.signal);
  if (!WAITS_IN_LAUNCH_HOOK.includes(member?.lifecycleState ?? '')) return null;
  return { autoScalingGroupName, lifecycleHookName: profile.lifecycleHook, lifecycleActionToken: null };
}

/**
 * A hook is kept alive by heartbeats, and these come only from KeepWaiting: between two of them lies at most the longest
 * stretch of the state machine, which a test computes. A hook must outlive it; the deadline leaves one more of it, for
 * the last stretch before KeepWaiting notices, and for the decision.
 *
 *   event ──── heartbeat ──── heartbeat ──── … ──── deadline ─── stretch ───┤ the hook's global time-out
 *          ≤ SHORTEST_HEARTBEAT between two
 */
export const SHORTEST_HEARTBEAT_SECONDS = 3600;

/** Until when to wait: by the hook's own limit, counted from its event; without one by the profile's, counted from now. */
function deadlineOf(
  { trigger }: EnrolmentRequest,
  profile: Profile,
  { hook, times }: { hook: Hook | null; times: HookTimes | null | undefined },
  { startTime }: TaskContext,
): string {
  if (hook && times && times.heartbeatTimeoutSeconds < SHORTEST_HEARTBEAT_SECONDS) {
    throw new InvalidRequest(
      `The hook ${hook.lifecycleHookName} of ${hook.autoScalingGroupName} has a HeartbeatTimeout of ` +
        `${times.heartbeatTimeoutSeconds} seconds: set it to ${SHORTEST_HEARTBEAT_SECONDS} (its default) or more.`,
    );
  }
  // When the hook of a launch that a sweep found began to wait, nobody has told.
  if (times && trigger && !isSwept(trigger)) {
    return after(trigger.eventTime, times.globalTimeoutSeconds - SHORTEST_HEARTBEAT_SECONDS);
  }
  return after(startTime, profile.enrolWithinMinutes * 60);
}

function after(instant: string, seconds: number): string {
  return new Date(Date.parse(instant) + seconds * 1000).toISOString();
}

/**
 * Events come late and in any order: one from before the retirement asks for an instance that is gone.
 * @throws InstanceGone
 */
function requireNotRetired(
  seen: LedgerItem | undefined,
  { trigger }: EnrolmentRequest,
  { instanceId }: Instance,
): void {
  if (seen?.status !== 'retired' && seen?.status !== 'retiring') return;
  // Not the time at which the retirement began: a Lightsail name may have been given again by then.
  const { goneSince = seen.claimedAt } = seen;
  if (!trigger || Date.parse(trigger.eventTime) > Date.parse(goneSince)) return;
  throw new InstanceGone(`${instanceId} has been gone since ${goneSince}; the event that asks for it is older.`);
}

/** @throws ClaimedElsewhere while the execution that owns the instance runs. One that no longer runs owns nothing. */
async function requireFree(seen: LedgerItem | undefined, task: TaskContext, call: Call): Promise<void> {
  if (!seen || seen.execution === task.execution) return;
  if (seen.status !== 'enrolling' && seen.status !== 'retiring') return;
  if (!(await isRunning(seen.execution, call.signal))) return;
  throw new ClaimedElsewhere(`${seen.instance} is ${seen.status}: ${seen.execution} has it.`);
}

function claimFor(instance: Instance, enrolment: Omit<ReturnType<typeof resolved>, 'hook'>, task: TaskContext) {
  return {
    instance: ledgerKey(instance),
    status: 'enrolling' as const,
    execution: task.execution,
    claimedAt: task.enteredTime,
    profile: enrolment.profile,
    profileVersion: enrolment.profileVersion,
    nodeName: instance.nodeName,
    region: instance.region,
    launchTime: instance.launchTime,
    autoScalingGroupName: instance.autoScalingGroupName,
    exempt: enrolment.exempt,
    // What was done for it before it was exempt stays, for its retirement to undo.
    ...(!enrolment.exemptions.association && { register: enrolment.register, associate: enrolment.associate }),
  };
}
