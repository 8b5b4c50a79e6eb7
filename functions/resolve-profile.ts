import { EnrolmentRequest, isNamedByEvent, naming } from '../events/request.ts';
import { retirementOfFormer, retirementOfFormerDisk } from '../events/start.ts';
import { exemptions, profiles, profilesIn } from '../lib/compiled.ts';
import { environment } from '../lib/config.ts';
import { ClaimedElsewhere } from '../lib/errors.ts';
import { type GroupMember, Instance, ledgerKey } from '../lib/instance.ts';
import type { Profile } from '../lib/profile.ts';
import type { Enrolment, Hook, TaskContext } from '../lib/state.ts';
import { type Invocation, task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { exemptionsOf, leavingOut } from '../profiles/exemptions.ts';
import { launchHook, whyIgnored } from '../profiles/launch.ts';
import { matchProfile } from '../profiles/match.ts';
import { type EnrolmentFacts, formerItem, ignoredEnrolment, planEnrolment } from '../profiles/plan.ts';
import { diskOf, hasSomethingToUndo, requireDiskShown } from '../profiles/re-image.ts';
import { isMemberNeeded, settled } from '../profiles/sighting.ts';
import { after, isShort, LONGEST_ROUND_SECONDS, watchName } from '../profiles/waiting.ts';
import { startRetirement } from '../services/announced-start.ts';
import { type Announcement, findAnnouncement } from '../services/announcements.ts';
import { findMember } from '../services/auto-scaling.ts';
import { refusalOf } from '../services/aws.ts';
import { claim, findItem } from '../services/ledger.ts';
import { isOwned } from '../services/ownership.ts';
import { startExecution } from '../services/state-machines.ts';
import { findWaiting, leaveToHook, recordWaitingLaunch, updateWaiting } from '../services/waiting-actions.ts';

/** What the services and the ledger say of the launch. */
interface Launch {
  readonly request: EnrolmentRequest;
  /** With the group that Auto Scaling has it in, also before EC2 shows its tag. */
  readonly instance: Instance;
  readonly announcement: Announcement | undefined;
  readonly member: GroupMember | undefined;
  readonly task: TaskContext;
}

/** Decides what happens to the instance, and claims it: one execution owns an instance at a time. */
export const handler = task({ request: EnrolmentRequest, instance: Instance }, async (input, invocation) => {
  const launch = await gatherLaunch(input, invocation.signal);
  const { instance, announcement, task } = launch;
  const profile = matchProfile(profiles(), instance);
  const reason = whyIgnored(eventOf(announcement), instance, profile);
  if (!profile || reason !== undefined) return await ignore(launch, reason ?? '', invocation);
  const facts = await gather(launch, profile, invocation);
  await requireFormerRetired(facts, invocation);
  requireDiskShown({ ...facts, now: task.enteredTime, reImageAnnouncedAt: announcedReImage(announcement) });
  await requireFormerKeyRetired(facts, invocation);
  const plan = planEnrolment(facts);
  const { enrolment } = plan;
  if (enrolment.exempt.length > 0)
    invocation.log('Exempt', { from: enrolment.exempt, exemptions: enrolment.exemptions });
  if (enrolment.hardeningPostponed)
    invocation.log('IMDSv2 is left to the sweep', { reason: enrolment.hardeningPostponed });
  if (!plan.claim) return enrolment;
  const { generation } = await claim(facts.item, plan.claim, invocation.signal);
  if (enrolment.status === 'enrolling' && facts.item?.execution !== task.execution) emit('EnrolmentsStarted');
  return { ...enrolment, generation };
});

/**
 * The servers may still know an earlier instance by the name of this one: it is retired first, in whatever order their
 * events arrive.
 * @throws ClaimedElsewhere until then
 */
async function requireFormerRetired(facts: EnrolmentFacts, { signal, log }: Invocation): Promise<void> {
  const { instance, task } = facts;
  const former = formerItem(facts);
  if (!former) return;
  const start = retirementOfFormer(instance, former, task.enteredTime);
  const outcome = await startRetirement(start, signal);
  log('An earlier instance of this name is retired first', { execution: start.execution, outcome });
  throw new ClaimedElsewhere(
    `${instance.instanceId} waits until the earlier instance of its name is retired by ${start.execution}: it was created at ${former.launchTime}.`,
  );
}

/**
 * The servers may still have the key of a former root volume: it is retired first, in whatever order events arrive, or
 * without any. FindEnrolment proves the replacement again before it undoes anything.
 * @throws ClaimedElsewhere until then
 */
async function requireFormerKeyRetired(facts: EnrolmentFacts, { signal, log }: Invocation): Promise<void> {
  const { instance, item, isOwnedElsewhere, task } = facts;
  if (!item || item.status === 'retired' || item.status === 'retiring' || isOwnedElsewhere) return;
  if (diskOf(item, instance) !== 'replaced' || !hasSomethingToUndo(item)) return;
  const start = retirementOfFormerDisk(instance, task.execution, task.enteredTime);
  const outcome = await startRetirement(start, signal);
  log('The key of the former root volume is retired first', { execution: start.execution, outcome });
  throw new ClaimedElsewhere(
    `${instance.instanceId} waits until the key of its former root volume ${item.rootVolumeId} is retired by ${start.execution}.`,
  );
}

function announcedReImage(announcement: Announcement | undefined): string | null {
  return announcement?.action === 'ReplaceRootVolume' ? announcement.eventTime : null;
}

async function gatherLaunch(
  { request, instance: shown, task }: Pick<Launch, 'request' | 'instance' | 'task'>,
  signal: AbortSignal,
): Promise<Launch> {
  const announcement = await findAnnouncement(task.execution, ledgerKey(shown), signal);
  const own = profilesIn(shown.region);
  const sighting = {
    instance: shown,
    announcedAt: eventOf(announcement)?.eventTime ?? null,
    isAnnouncedInGroup: announcement?.autoScalingGroupName !== undefined,
    isAnnouncedInHook: own.some(({ lifecycleHook: hook }) => hook && hook === announcement?.lifecycleHookName),
    now: task.enteredTime,
  };
  const member = isMemberNeeded(sighting, own) ? await findMember(shown, signal) : undefined;
  return { request, instance: settled(sighting, member, profiles()), announcement, member, task };
}

/** An announcement of a launch, by its event or by the watch. What a sweep announces is no launch. */
function eventOf(announcement: Announcement | undefined): Announcement | undefined {
  return announcement?.by === 'event' || announcement?.by === 'watch' ? announcement : undefined;
}

async function ignore(launch: Launch, reason: string, invocation: Invocation): Promise<Enrolment> {
  const { announcement, instance, task } = launch;
  const waiting = instance.platform === 'ec2' ? await findWaiting(ledgerKey(instance), invocation.signal) : undefined;
  const action = waiting?.transition === 'launching' ? waiting : undefined;
  if (action) await leaveToHook(action, invocation.signal);
  const hook = announcement?.lifecycleHookName ?? action?.lifecycleHookName;
  if (profiles().some(({ lifecycleHook }) => hook !== undefined && lifecycleHook === hook)) emit('LaunchesUnmatched');
  invocation.log('Ignored', { reason });
  emit('EnrolmentsIgnored');
  return ignoredEnrolment(instance, reason, task);
}

async function gather(launch: Launch, profile: Profile, invocation: Invocation): Promise<EnrolmentFacts> {
  const { signal } = invocation;
  const { request, instance, announcement, member, task } = launch;
  const event = eventOf(announcement);
  const hook = launchHook(event, member, profile);
  const action = hook ? await knownWaiting(launch, hook, invocation) : undefined;
  const item = await findItem(ledgerKey(instance), signal);
  const exempt = exemptionsOf(exemptions(), instance, task.enteredTime);
  return {
    instance,
    profile,
    exempt: leavingOut(exempt, announcement?.leaveOut, task.enteredTime),
    hasCsr: request.identity !== undefined,
    startedBy: announcement?.by ?? (isNamedByEvent(task.execution, naming(instance)) ? 'event' : null),
    requestedAt: announcement?.eventTime ?? null,
    // The watch does not know when the hook began to wait.
    announcedAt: event?.by === 'event' ? event.eventTime : null,
    hook,
    member,
    hookTimes: action,
    hasWaitedForUs: action?.heartbeatAt !== undefined,
    seenAt: action?.seenAt ?? null,
    item,
    isOwnedElsewhere: item !== undefined && item.execution !== task.execution && (await isOwned(item, signal)),
    task,
  };
}

/** The launch as the watch knows it. One that nothing has recorded is recorded, so that the watch keeps it alive. */
async function knownWaiting({ instance, announcement, task }: Launch, hook: Hook, invocation: Invocation) {
  const { signal } = invocation;
  const known = await findWaiting(ledgerKey(instance), signal);
  if (known?.transition === 'launching' && known.lifecycleHookName === hook.lifecycleHookName) {
    // It was left to its hook while no profile matched.
    if (!known.waiting) await updateWaiting(known, { waiting: 'hook' }, signal);
    return known;
  }
  const since = eventOf(announcement)?.eventTime ?? after(task.startTime, -LONGEST_ROUND_SECONDS);
  const execution = task.execution.slice(task.execution.lastIndexOf(':') + 1);
  const action = await recordWaitingLaunch({ instance, hook, since, seenAt: task.startTime, execution }, signal);
  if (action && isShort(action)) await startShortLooks(instance, task.enteredTime, invocation);
  return action;
}

/** Such a hook expires before the next round of the watch. */
async function startShortLooks({ instanceId }: Instance, at: string, { signal, log }: Invocation): Promise<void> {
  try {
    await startExecution(environment('WATCH_HOOKS_STATE_MACHINE_ARN'), watchName(at), {}, signal);
  } catch (error) {
    log('Short looks could not be started: the next round of the watch starts them', {
      instance: instanceId,
      reason: refusalOf(error),
    });
  }
}
