import { associationsOf, serverId, toBeUndone } from '../lib/associations.ts';
import { needsKey, traitsOf } from '../lib/engines.ts';
import { ClaimedElsewhere, InstanceGone, InstanceNotReady, InvalidRequest } from '../lib/errors.ts';
import { type GroupMember, type Instance, ledgerKey } from '../lib/instance.ts';
import { isOfEarlierInstance, isSameInstance, type LedgerItem } from '../lib/ledger-item.ts';
import type { Exemption, Profile } from '../lib/profile.ts';
import type { Associate } from '../lib/servers.ts';
import type { Enrolment, Hook, TaskContext } from '../lib/state.ts';
import { type DeadlineFacts, deadlineOf } from './deadline.ts';
import { driftOf } from './drift.ts';
import { type Exemptions, exemptParts, withoutExempted } from './exemptions.ts';
import { diskOf } from './re-image.ts';
import { profileVersion } from './version.ts';

/** Everything that the plan of an enrolment depends on. */
export interface EnrolmentFacts extends Pick<DeadlineFacts, 'hookTimes' | 'announcedAt' | 'seenAt'> {
  /** The hook in which the launch waits. */
  readonly hook: Hook | null;
  /** The instance in its group; undefined where it is in none, or its group was not asked. */
  readonly member: GroupMember | undefined;
  /** Whether the hook has accepted a heartbeat. */
  readonly hasWaitedForUs: boolean;
  readonly instance: Instance;
  readonly profile: Profile;
  readonly exempt: Exemptions;
  /** Whether the request carries the node's CSR. */
  readonly hasCsr: boolean;
  /** `event`, `watch`, `sweep`, or null for a person. */
  readonly startedBy: Enrolment['startedBy'];
  /** The time of the event or the sweep; null for a person. */
  readonly requestedAt: string | null;
  /** The instance's ledger item. */
  readonly item: LedgerItem | undefined;
  /** Whether another execution owns the instance and still runs. */
  readonly isOwnedElsewhere: boolean;
  readonly task: Pick<TaskContext, 'execution' | 'startTime' | 'enteredTime'>;
}

export interface EnrolmentPlan {
  /** Its generation is the one in the ledger before the claim, if there is a claim. */
  readonly enrolment: Enrolment;
  /** The ledger fields to claim the instance with; null if it is enrolled and no launch of it waits. */
  readonly claim: (Pick<LedgerItem, 'instance' | 'status' | 'execution' | 'claimedAt'> & Partial<LedgerItem>) | null;
}

/**
 * Plans what to do with an instance that a profile matches.
 * @throws InvalidRequest for a CSR that the profile does not take; InstanceGone if the request is older than the instance's
 *   retirement; ClaimedElsewhere while another execution owns the instance
 */
export function planEnrolment(facts: EnrolmentFacts): EnrolmentPlan {
  const { instance, profile, exempt, item, task } = facts;
  const enrolment = requested(facts);
  requireNotRetired(facts);
  const drift = driftOf(instance, item, {
    profile,
    exempt,
    isAssociated: enrolment.wants.association,
    // Neither an event nor a sweep moves a node unasked; a person who starts an enrolment asks for it.
    mayMove: facts.startedBy === null || profile.move === true,
  });
  if (item && !drift.enrolment && !(drift.metadata && mayHarden(facts))) {
    const enrolledBefore = !isEnrolledBy(item, task);
    return {
      enrolment: { ...enrolment, status: 'enrolled', enrolledBefore, isMoving: enrolment.isMoving && !enrolledBefore },
      claim: enrolment.hook && claimToFinish(facts, item),
    };
  }
  requireUnowned(facts);
  // An enrolled node is only hardened: neither the node nor its servers are contacted again.
  const planned = drift.enrolment
    ? enrolment
    : { ...enrolment, isMoving: false, wants: { ...NOTHING_WANTED.wants, hardening: true } };
  return { enrolment: planned, claim: claimFor(facts, enrolment, drift.enrolment !== null) };
}

/**
 * The item of an earlier instance of the same name, until it is retired.
 * @throws InstanceNotReady where the service shows an instance that is older than the one in the ledger
 */
export function formerItem({ instance, item }: Pick<EnrolmentFacts, 'instance' | 'item'>): LedgerItem | undefined {
  if (!item || item.status === 'retired' || isSameInstance(item, instance)) return undefined;
  if (isOfEarlierInstance(item, instance)) return item;
  throw new InstanceNotReady(
    `Its service shows ${instance.instanceId} as created at ${instance.launchTime}, and the ledger has a later instance of this name, of ${item.launchTime}. The view may be old: asked again.`,
  );
}

/** The answer for an instance that this request does not enrol. */
export function ignoredEnrolment(instance: Instance, reason: string, { startTime }: TaskContext): Enrolment {
  return { ...NOTHING_WANTED, status: 'ignored', reason, ledgerKey: ledgerKey(instance), deadline: startTime };
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
  hasWaitedForUs: false,
  exempt: [],
  exemptions: { imdsv2: null, association: null },
  startedBy: null,
  hardeningPostponed: null,
  reImagedAt: null,
  isMoving: false,
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

/** What the profile asks for, without what the instance is exempt from. */
function requested(facts: EnrolmentFacts): Enrolment {
  const { instance, profile, exempt, hook, item } = facts;
  const asked = withoutExempted(profile, exempt);
  const { register = null, associate = null, metadata = null } = asked;
  requireCsrTaken(facts);
  const isHardened = mayHarden(facts);
  const wants = wantsOf(instance, isHardened ? asked : { ...asked, metadata: undefined }, facts.hasCsr);
  return {
    ...NOTHING_WANTED,
    status: 'enrolling',
    ledgerKey: ledgerKey(instance),
    generation: item?.generation ?? 0,
    profile: profile.name,
    profileVersion: profileVersion(profile),
    onFailure: profile.onFailure,
    abandonLimit: profile.abandonLimit,
    hook,
    hasWaitedForUs: facts.hasWaitedForUs,
    deadline: deadlineOf({ ...facts, launchTime: instance.launchTime, startTime: facts.task.startTime }),
    exempt: exemptParts(profile, exempt),
    exemptions: { imdsv2: summaryOf(exempt.imdsv2), association: summaryOf(exempt.association) },
    startedBy: facts.startedBy,
    hardeningPostponed: metadata && !isHardened ? POSTPONED : null,
    reImagedAt: reImagedAt(facts),
    isMoving: profile.associate ? wants.association && isElsewhere(item, profile.associate) : isElsewhere(item, null),
    register,
    associate,
    metadata,
    wants,
  };
}

/** When the root volume was replaced because of which it is enrolled; a failed enrolment before this one may have known it. */
function reImagedAt({ instance, item }: EnrolmentFacts): string | null {
  if (diskOf(item, instance) === 'replaced') return instance.replacedAt;
  return item && item.status !== 'enrolled' ? (item.reImagedAt ?? null) : null;
}

/** Whether the node may be on another server than this one, or on any if its profile names none (null). */
function isElsewhere(item: LedgerItem | undefined, server: Associate | null): boolean {
  const current = server && serverId(server);
  return toBeUndone(associationsOf(item)).some(([id]) => id !== current);
}

const POSTPONED =
  'It is no fresh launch, so that software on it may use IMDSv1: a sweep closes IMDSv1 once nothing does.';

/** A launch is fresh for an hour, and for as long as it waits in its hook: nothing uses IMDSv1 on it yet. */
const FRESH_MILLISECONDS = 3_600_000;

/**
 * Whether the metadata options may be changed now. Instances that have run come as launches too: attached to their group,
 * back from standby, out of a warm pool. A sweep has asked who uses IMDSv1 before it starts an enrolment.
 */
function mayHarden({ startedBy, requestedAt, hook, instance: { createdTime }, task }: EnrolmentFacts): boolean {
  if (startedBy === 'sweep') return true;
  if (createdTime === null) return false;
  const isFreshAt = (instant: string) => Date.parse(instant) - Date.parse(createdTime) <= FRESH_MILLISECONDS;
  return isFreshAt(requestedAt ?? task.startTime) && (hook !== null || isFreshAt(task.startTime));
}

/** A request cannot prove a key for a node that can be asked for its own. */
function requireCsrTaken({ hasCsr, profile, instance: { instanceId } }: EnrolmentFacts): void {
  if (!hasCsr || profile.csrFrom === 'request') return;
  throw new InvalidRequest(
    `The profile ${profile.name} of ${instanceId} takes no CSR from the input: leave identity out, or set csrFrom: request in the profile.`,
  );
}

/** Whether this execution has enrolled the node, and not only finishes a launch of it. */
function isEnrolledBy({ execution, endedAt }: LedgerItem, task: EnrolmentFacts['task']): boolean {
  return execution === task.execution && endedAt !== undefined && Date.parse(endedAt) >= Date.parse(task.startTime);
}

function wantsOf(instance: Instance, asked: Profile, hasCsr: boolean): Enrolment['wants'] {
  const { register, associate, metadata } = asked;
  const isEc2 = instance.platform === 'ec2';
  const identity = identityFrom(instance, asked, hasCsr);
  const association = associate !== undefined && isAssociationWanted(instance, asked, hasCsr);
  return {
    check: association && (traitsOf(associate).secrets.length > 0 || !isEc2),
    hardening: metadata !== undefined,
    identity,
    registration: isEc2 && register !== undefined,
    association,
    // If the request carries the CSR, the requester holds the node's key and takes the certificate from the output.
    installation: association && identity === 'node' && traitsOf(associate).installation !== null,
    assignment: isEc2 && register?.layerIds !== undefined,
  };
}

/** Whether the profile's server gets the node: one that needs a key only gets a node that shows it. */
export function isAssociationWanted(
  instance: Pick<Instance, 'platform'>,
  asked: Pick<Profile, 'register' | 'associate' | 'csrFrom'>,
  hasCsr: boolean,
): boolean {
  if (!asked.associate) return false;
  return !needsKey(asked.associate) || identityFrom(instance, asked, hasCsr) !== 'none';
}

/** Where the node's key comes from: the node, the request, or nowhere. OpsWorks Stacks takes EC2 instances only. */
export function identityFrom(
  { platform }: Pick<Instance, 'platform'>,
  { register, associate, csrFrom }: Pick<Profile, 'register' | 'associate' | 'csrFrom'>,
  hasCsr: boolean,
): 'node' | 'request' | 'none' {
  const isKeyNeeded = associate !== undefined && needsKey(associate);
  if (platform === 'ec2') return register || isKeyNeeded ? 'node' : 'none';
  if (!isKeyNeeded) return 'none';
  if (csrFrom !== 'request') return 'node';
  return hasCsr ? 'request' : 'none';
}

function summaryOf(exemption: Exemption | null): Enrolment['exemptions']['imdsv2'] {
  return exemption && { owner: exemption.owner, reason: exemption.reason, until: exemption.expires };
}

/** Events arrive late and in any order: one from before the retirement is about an instance that is gone. */
function requireNotRetired({ item, requestedAt, instance }: EnrolmentFacts): void {
  if (item?.status !== 'retired' && item?.status !== 'retiring') return;
  if (!isSameInstance(item, instance)) return;
  const { instanceId } = instance;
  // Not the time of the retirement's claim: by then a Lightsail name may already belong to a new instance.
  const { goneSince = item.claimedAt } = item;
  if (!requestedAt || Date.parse(requestedAt) > Date.parse(goneSince)) return;
  throw new InstanceGone(`${instanceId} has been gone since ${goneSince}, and the event for its launch is older.`);
}

function requireUnowned({ item, isOwnedElsewhere }: EnrolmentFacts): void {
  if (!item || !isOwnedElsewhere) return;
  throw new ClaimedElsewhere(`${item.instance} is ${item.status}: ${item.execution} owns it.`);
}

/** @param isEnrolled whether the node is enrolled, and not only hardened */
function claimFor({ instance, profile, item, task }: EnrolmentFacts, enrolment: Enrolment, isEnrolled: boolean) {
  const recorded = associationsOf(item);
  return {
    instance: enrolment.ledgerKey,
    status: 'enrolling' as const,
    execution: task.execution,
    claimedAt: task.enteredTime,
    profile: profile.name,
    profileVersion: profileVersion(profile),
    nodeName: instance.nodeName,
    region: instance.region,
    launchTime: instance.launchTime,
    arn: instance.arn,
    autoScalingGroupName: instance.autoScalingGroupName,
    exempt: enrolment.exempt,
    reImagedAt: enrolment.reImagedAt,
    ...(isEnrolled && keylessDisk(instance, item, enrolment)),
    // What was done before the exemption stays in the ledger, so that the retirement undoes it.
    ...(isEnrolled &&
      !enrolment.exemptions.association && { register: enrolment.register, associate: enrolment.associate }),
    // An item from before associations were recorded proves its own by `associate`, which is about to change.
    ...(isEnrolled && !item?.associations && Object.keys(recorded).length > 0 && { associations: recorded }),
  };
}

/** Where a node shows no key, its root volume is known from here on; else from when its key is bound. */
function keylessDisk({ rootVolume, describedAt }: Instance, item: LedgerItem | undefined, { wants }: Enrolment) {
  const isKeyless = wants.identity === 'none' && item?.publicKeyFingerprint === undefined;
  return isKeyless && rootVolume && describedAt ? { rootVolumeId: rootVolume.id, rootVolumeSeenAt: describedAt } : {};
}

/**
 * The claim of an enrolled node of which a launch waits: every execution that completes a hook owns the instance, so that a
 * late task of an earlier one cannot complete a later launch.
 */
function claimToFinish({ task }: EnrolmentFacts, { instance, endedAt }: LedgerItem) {
  return { instance, status: 'enrolled' as const, execution: task.execution, claimedAt: task.enteredTime, endedAt };
}
