import { EnrolmentRequest, executionName, isNamedByEvent, naming } from '../events/request.ts';
import { exemptions, profiles, profilesIn } from '../lib/compiled.ts';
import { environment } from '../lib/config.ts';
import { ClaimedElsewhere, InstanceNotReady } from '../lib/errors.ts';
import { type GroupMember, Instance, ledgerKey, mayLackTags } from '../lib/instance.ts';
import { isSameInstance } from '../lib/ledger-item.ts';
import type { Profile } from '../lib/profile.ts';
import type { Enrolment, TaskContext } from '../lib/state.ts';
import { type Call, task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { exemptionsOf, leavingOut } from '../profiles/exemptions.ts';
import { launchHook, whyIgnored } from '../profiles/launch.ts';
import { isUndecided, matchProfile } from '../profiles/match.ts';
import { type EnrolmentFacts, ignoredEnrolment, planEnrolment } from '../profiles/plan.ts';
import { startAnnounced } from '../services/announced-start.ts';
import { type Announcement, findAnnouncement } from '../services/announcements.ts';
import { findHook, findMember } from '../services/auto-scaling.ts';
import { claim, findItem } from '../services/ledger.ts';
import { isOwned } from '../services/ownership.ts';

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
export const handler = task({ request: EnrolmentRequest, instance: Instance }, async (input, call) => {
  const launch = await gatherLaunch(input, call.signal);
  const { instance, announcement, task } = launch;
  const profile = matchProfile(profiles(), instance);
  const reason = whyIgnored(eventOf(announcement), instance, profile);
  if (!profile || reason !== undefined) return ignore(launch, reason ?? '', call);
  const facts = await gather(launch, profile, call);
  await requireFormerRetired(facts, call);
  const plan = planEnrolment(facts);
  const { enrolment } = plan;
  if (enrolment.exempt.length > 0) call.log('Exempt', { from: enrolment.exempt, exemptions: enrolment.exemptions });
  if (enrolment.hardeningPostponed) call.log('IMDSv2 is left to the sweep', { reason: enrolment.hardeningPostponed });
  if (!plan.claim) return enrolment;
  const { generation } = await claim(facts.item, plan.claim, call.signal);
  if (enrolment.status === 'enrolling' && facts.item?.execution !== task.execution) emit('EnrolmentsStarted');
  return { ...enrolment, generation };
});

/**
 * The servers may still know an earlier instance by the name of this one: it is retired first, in whatever order their
 * events arrive.
 * @throws ClaimedElsewhere until then
 */
async function requireFormerRetired({ instance, item, task }: EnrolmentFacts, { signal, log }: Call): Promise<void> {
  if (!item || item.status === 'retired' || isSameInstance(item, instance)) return;
  const trigger = {
    detailType: 'Instance Replaced',
    eventId: `former-${item.generation}-${item.launchTime}`,
    eventTime: task.enteredTime,
  };
  const input = naming(instance);
  const name = executionName({ ...input, trigger });
  const outcome = await startAnnounced(
    { stateMachineArn: environment('RETIRE_NODE_STATE_MACHINE_ARN'), name, input },
    { ...trigger, subject: item.instance, by: 'event' },
    signal,
  );
  log('An earlier instance of this name is retired first', { execution: name, outcome });
  throw new ClaimedElsewhere(
    `${instance.instanceId} waits until the earlier instance of its name is retired by ${name}: it was created at ${item.launchTime}.`,
  );
}

/** @throws InstanceNotReady while tags that decide about the profile may still come */
async function gatherLaunch(
  { request, instance: shown, task }: Pick<Launch, 'request' | 'instance' | 'task'>,
  signal: AbortSignal,
): Promise<Launch> {
  const announcement = await findAnnouncement(task.execution, ledgerKey(shown), signal);
  if (shown.platform !== 'ec2') return { request, instance: shown, announcement, member: undefined, task };
  const mayLack =
    mayLackTags(shown.createdTime, task.enteredTime) ||
    mayLackTags(eventOf(announcement)?.eventTime ?? null, task.enteredTime);
  const isMemberAsked =
    shown.autoScalingGroupName === null
      ? mayLack || announcement?.autoScalingGroupName !== undefined
      : profilesIn(shown.region).some(({ lifecycleHook }) => lifecycleHook !== undefined);
  const member = isMemberAsked ? await findMember(shown, signal) : undefined;
  const autoScalingGroupName = shown.autoScalingGroupName ?? member?.autoScalingGroupName ?? null;
  const instance = { ...shown, autoScalingGroupName };
  const isInGroup = member !== undefined || announcement?.autoScalingGroupName !== undefined;
  const lacksGroup = shown.autoScalingGroupName === null && isInGroup;
  if (mayLack && (lacksGroup || isUndecided(profiles(), instance)))
    throw new InstanceNotReady(
      `EC2 may not show all tags of ${shown.instanceId} yet, and they decide about its profile.`,
    );
  return { request, instance, announcement, member, task };
}

/** An announcement of an AWS event. What a sweep announces is no launch. */
function eventOf(announcement: Announcement | undefined): Announcement | undefined {
  return announcement?.by === 'event' ? announcement : undefined;
}

function ignore({ announcement, instance, task }: Launch, reason: string, call: Call): Enrolment {
  const hook = announcement?.lifecycleHookName;
  if (profiles().some(({ lifecycleHook }) => hook !== undefined && lifecycleHook === hook)) emit('LaunchesUnmatched');
  call.log('Ignored', { reason });
  emit('EnrolmentsIgnored');
  return ignoredEnrolment(instance, reason, task);
}

async function gather(launch: Launch, profile: Profile, { signal }: Call): Promise<EnrolmentFacts> {
  const { request, instance, announcement, member, task } = launch;
  const event = eventOf(announcement);
  const hook = launchHook(event, member, profile);
  const hookTimes = hook ? await findHook(hook, instance.region, signal) : undefined;
  const item = await findItem(ledgerKey(instance), signal);
  const exempt = exemptionsOf(exemptions(), instance, task.enteredTime);
  return {
    instance,
    profile,
    exempt: leavingOut(exempt, announcement?.leaveOut, task.enteredTime),
    hasCsr: request.identity !== undefined,
    startedBy: announcement?.by ?? (isNamedByEvent(task.execution, naming(instance)) ? 'event' : null),
    requestedAt: announcement?.eventTime ?? null,
    announcedAt: event?.eventTime ?? null,
    hook,
    hookTimes,
    item,
    isOwnedElsewhere: item !== undefined && item.execution !== task.execution && (await isOwned(item, signal)),
    task,
  };
}
