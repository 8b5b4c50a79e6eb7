import { EnrolmentRequest, isSwept } from '../events/request.ts';
import { exemptions, home, profiles } from '../lib/config.ts';
import { Instance, ledgerKey } from '../lib/instance.ts';
import type { Profile } from '../lib/profile.ts';
import type { Enrolment, Hook, TaskContext } from '../lib/state.ts';
import { type Call, task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { exemptionsOf, leavingOut } from '../profiles/exemptions.ts';
import { launchHook, whyIgnored } from '../profiles/launch.ts';
import { matchProfile } from '../profiles/match.ts';
import { type EnrolmentFacts, ignoredEnrolment, planEnrolment } from '../profiles/plan.ts';
import { findHook, findMember, WAITS_IN_LAUNCH_HOOK } from '../services/auto-scaling.ts';
import { claim, findItem } from '../services/ledger.ts';
import { isOwned } from '../services/ownership.ts';

interface Input {
  request: EnrolmentRequest;
  instance: Instance;
  task: TaskContext;
}

/** Decides what happens to the instance, and claims it: one execution owns an instance at a time. */
export const handler = task({ request: EnrolmentRequest, instance: Instance }, async (input, call) => {
  const { request, instance, task } = input;
  const profile = matchProfile(profiles(), instance, home());
  const reason = whyIgnored(request, instance, profile);
  if (!profile || reason !== undefined) return ignore(input, reason ?? '', call);
  const facts = await gather(input, profile, call);
  const plan = planEnrolment(facts);
  const { enrolment } = plan;
  if (enrolment.exempt.length > 0) call.log('Exempt', { from: enrolment.exempt, exemptions: enrolment.exemptions });
  if (!plan.claim) return enrolment;
  const { generation } = await claim(facts.item, plan.claim, call.signal);
  if (facts.item?.execution !== task.execution) emit('EnrolmentsStarted');
  return { ...enrolment, generation };
});

function ignore({ request, instance, task }: Input, reason: string, call: Call): Enrolment {
  const hook = request.lifecycleAction?.lifecycleHookName;
  if (profiles().some(({ lifecycleHook }) => hook !== undefined && lifecycleHook === hook)) emit('LaunchesUnmatched');
  call.log('Ignored', { reason });
  emit('EnrolmentsIgnored');
  return ignoredEnrolment(instance, reason, task);
}

async function gather(input: Input, profile: Profile, { signal }: Call): Promise<EnrolmentFacts> {
  const { request, instance, task } = input;
  const { trigger, leaveOut, identity } = request;
  const hook = await hookOf(input, profile, signal);
  const hookTimes = hook ? await findHook(hook, instance.region, signal) : undefined;
  const item = await findItem(ledgerKey(instance), signal);
  const exempt = exemptionsOf(exemptions(), instance, task.enteredTime);
  return {
    instance,
    profile,
    exempt: leavingOut(exempt, leaveOut, task.enteredTime),
    hasCsr: identity !== undefined,
    requestedAt: trigger?.eventTime ?? null,
    announcedAt: trigger && !isSwept(trigger) ? trigger.eventTime : null,
    hook,
    hookTimes,
    item,
    isOwnedElsewhere: item !== undefined && item.execution !== task.execution && (await isOwned(item, signal)),
    task,
  };
}

async function hookOf({ request, instance }: Input, profile: Profile, signal: AbortSignal): Promise<Hook | null> {
  const mayWait = !request.lifecycleAction && profile.lifecycleHook && instance.autoScalingGroupName;
  const member = mayWait ? await findMember(instance, signal) : undefined;
  return launchHook(request, instance, profile, WAITS_IN_LAUNCH_HOOK.includes(member?.lifecycleState ?? ''));
}
