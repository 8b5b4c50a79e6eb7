import * as z from 'zod';
import { isSwept, namedIn, parseRetirementRequest, type RetirementRequest } from '../events/request.ts';
import { profilesIn, requireOurRegion } from '../lib/compiled.ts';
import { ServiceUnavailable } from '../lib/errors.ts';
import { type GroupMember, type InstanceRef, ledgerKey, namedBy } from '../lib/instance.ts';
import { Retirement, type TaskContext } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import {
  decideRetirement,
  mayMatch,
  type Occasion,
  type RetirementFacts,
  retirementOf,
} from '../profiles/retirement.ts';
import { findAnnouncement } from '../services/announcements.ts';
import { findMember, WAITS_IN_TERMINATION_HOOK } from '../services/auto-scaling.ts';
import { findInstance } from '../services/instances.ts';
import { claim, findItem } from '../services/ledger.ts';
import { isOwned } from '../services/ownership.ts';
import { stopExecution } from '../services/state-machines.ts';

/**
 * Finds what was done for the instance and whether the instance has ended; then claims it, and stops an enrolment of it
 * that still runs. An instance of ours that is not in the ledger is claimed too, so that an enrolment that is about to
 * begin finds it retired.
 */
export const handler = task(
  {
    request: z.unknown(),
    /** The answer of the look before. An execution that began before a deployment brings none. */
    before: Retirement.nullish(),
  },
  async ({ request, before, task }, { signal, log }): Promise<Retirement> => {
    const { facts, member } = await gather(request, before?.absentSince ?? null, task, signal);
    const { named, item } = facts;
    const decision = decideRetirement(facts);
    const outcome = { reason: null, wasRunning: false, waitsInGroup: waitingGroup(member) };
    if (decision.kind === 'leave') return retirementOf(named, item, { ...outcome, status: 'leaving' });
    if (decision.kind !== 'retire') {
      log(decision.kind === 'nothing' ? 'Nothing to retire' : 'Not yet', { reason: decision.reason });
      // An execution that began before a deployment has no state to wait in.
      if (decision.kind === 'unconfirmed' && before === undefined) throw new ServiceUnavailable(decision.reason);
      const { kind: status, ...rest } = decision;
      return retirementOf(named, item, { ...outcome, status, ...rest });
    }
    const { interruptedExecution, goneSince } = decision;
    const owner = { instance: ledgerKey(named), region: named.region, execution: task.execution };
    const next = {
      ...owner,
      status: 'retiring',
      claimedAt: task.enteredTime,
      goneSince,
      interruptedExecution,
    } as const;
    const claimed = await claim(item, next, signal);
    if (interruptedExecution) await stopExecution(interruptedExecution, stopReason(named.instanceId, task), signal);
    const wasRunning = interruptedExecution !== undefined;
    return retirementOf(named, claimed, { ...outcome, status: 'retiring', wasRunning });
  },
);

async function gather(input: unknown, absentSince: string | null, task: TaskContext, signal: AbortSignal) {
  const request = parseRetirementRequest(input);
  const asked = namedIn(request);
  const item = await findItem(ledgerKey(asked), signal);
  // The ledger's Region wins over a typed one: in the wrong Region the instance would not be found, and look gone.
  const named = item ? namedBy(item) : asked;
  const occasion = await occasionOf(request, named, task, signal);
  if (occasion.by === 'person') requireOurRegion(named.region);
  const isConfirmed = (occasion.by === 'person' && request.confirm) ?? false;
  const isOurOwn = occasion.by === 'undo' || occasion.by === 'move';
  // Where the answer would decide nothing, a service that fails or denies must not stand in the way.
  const found = item && (isConfirmed || isOurOwn) ? undefined : await findInstance(named, signal);
  const member = named.platform === 'ec2' && !isOurOwn ? await findMember(named, signal) : undefined;
  const group = member?.autoScalingGroupName ?? found?.instance.autoScalingGroupName ?? occasion.group ?? null;
  const facts: RetirementFacts = {
    named,
    occasion,
    isConfirmed,
    item,
    found,
    lifecycleState: member?.lifecycleState ?? null,
    absentSince,
    mayBeOurs: mayMatch(profilesIn(named.region), named, group),
    isBeingRetired: item?.status === 'retiring' && item.execution !== task.execution && (await isOwned(item, signal)),
    task,
  };
  return { facts, member };
}

/** What our own functions announced; for an execution from before announcements, what its input says. */
async function occasionOf(
  { trigger, lifecycleAction }: RetirementRequest,
  named: InstanceRef,
  { execution }: TaskContext,
  signal: AbortSignal,
): Promise<Occasion & { group?: string | undefined }> {
  const announced = await findAnnouncement(execution, ledgerKey(named), signal);
  if (announced) {
    const { by, eventTime, destination, generation, autoScalingGroupName } = announced;
    return { by, at: eventTime, destination, generation, group: autoScalingGroupName };
  }
  if (!trigger) return { by: 'person', at: null };
  const { destination, autoScalingGroupName } = lifecycleAction ?? {};
  return { by: isSwept(trigger) ? 'sweep' : 'event', at: trigger.eventTime, destination, group: autoScalingGroupName };
}

/** The group in one of whose termination hooks the instance waits. */
function waitingGroup(member: GroupMember | undefined): string | null {
  return member && WAITS_IN_TERMINATION_HOOK.includes(member.lifecycleState) ? member.autoScalingGroupName : null;
}

function stopReason(instanceId: string, { execution }: TaskContext) {
  return { error: 'InstanceGone', cause: `${instanceId} is being retired by ${execution}.` };
}
