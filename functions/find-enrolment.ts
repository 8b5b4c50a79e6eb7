import * as z from 'zod';
import { namedIn, parseRetirementRequest } from '../events/request.ts';
import { profilesIn, requireOurRegion } from '../lib/compiled.ts';
import { DeadlinePassed, ServiceUnavailable } from '../lib/errors.ts';
import { type Found, ledgerKey, namedBy } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import { Retirement, type TaskContext } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { mayMatch } from '../profiles/announced-end.ts';
import { lookupsOf, occasionOf, unclaimed, waitingGroup } from '../profiles/occasion.ts';
import { type Disk, diskOf } from '../profiles/re-image.ts';
import { decideRetirement, type Occasion, type RetirementFacts, retirementClaim } from '../profiles/retirement.ts';
import { retirementOf } from '../profiles/undoing.ts';
import { after } from '../profiles/waiting.ts';
import { findAnnouncement } from '../services/announcements.ts';
import { findMember } from '../services/auto-scaling.ts';
import { replacementsOf } from '../services/ec2.ts';
import { findInstance } from '../services/instances.ts';
import { claim, findItem } from '../services/ledger.ts';
import { isOwned } from '../services/ownership.ts';
import { stopExecution } from '../services/state-machines.ts';

/** `before`: the answer of the look before. An execution that began before a deployment brings none. */
const Input = { request: z.unknown(), before: Retirement.nullish() };

/**
 * Finds what was done for the instance and whether the instance has ended; then claims it, and stops an enrolment of it
 * that still runs. An instance of ours that is not in the ledger is claimed too, so that an enrolment that is about to
 * begin finds it retired.
 */
export const handler = task(Input, async ({ request, before, task }, { signal, log }): Promise<Retirement> => {
  const deadline = patienceOf(before, task);
  const { facts, waitsInGroup } = await gather(request, before?.absentSince ?? null, task, signal);
  const { named, item } = facts;
  const decision = decideRetirement(facts);
  if (decision.kind !== 'retire' && decision.kind !== 're-image') {
    if ('reason' in decision)
      log(decision.kind === 'nothing' ? 'Nothing to retire' : 'Not yet', { reason: decision.reason });
    // An execution that began before a deployment has no state to wait in.
    if (decision.kind === 'unconfirmed' && before === undefined) throw new ServiceUnavailable(decision.reason);
    return { ...unclaimed(facts, decision, waitsInGroup), deadline };
  }
  const claimed = await claim(item, retirementClaim(facts, decision), signal);
  if (decision.kind === 're-image') {
    const wasRunning = item?.status === 'enrolling';
    return {
      ...retirementOf(named, claimed, { reason: null, status: 're-imaging', wasRunning, waitsInGroup }),
      deadline,
    };
  }
  const { interruptedExecution } = decision;
  const stopReason = { error: 'InstanceGone', cause: `${named.instanceId} is being retired by ${task.execution}.` };
  if (interruptedExecution) await stopExecution(interruptedExecution, stopReason, signal);
  const wasRunning = interruptedExecution !== undefined;
  const outcome = { reason: null, status: 'retiring', wasRunning, waitsInGroup } as const;
  return { ...retirementOf(named, claimed, outcome), deadline };
});

/** Longer than any maintenance, and than all attempts of one state together. */
const PATIENCE_SECONDS = 13 * 3600;

/**
 * Until when the retirement waits for what is not ready.
 * @throws DeadlinePassed where Lambda's own failures have led back here until then
 */
function patienceOf(before: Retirement | null | undefined, { enteredTime }: TaskContext): string {
  const deadline = before?.deadline ?? after(enteredTime, PATIENCE_SECONDS);
  if (enteredTime < deadline) return deadline;
  throw new DeadlinePassed(`The retirement has waited until ${deadline}: its history says what failed.`);
}

async function gather(input: unknown, absentSince: string | null, task: TaskContext, signal: AbortSignal) {
  const request = parseRetirementRequest(input);
  const typed = namedIn(request);
  const item = await findItem(ledgerKey(typed), signal);
  // The ledger's Region wins over a typed one: in the wrong Region the instance would not be found, and look gone.
  const named = item ? namedBy(item) : typed;
  const occasion = occasionOf(await findAnnouncement(task.execution, ledgerKey(named), signal));
  if (occasion.by === 'person') requireOurRegion(named.region);
  const isConfirmed = occasion.by === 'person' && request.confirm === true;
  const lookups = lookupsOf(named, item, { by: occasion.by, isConfirmed });
  const found = lookups.instance ? await findInstance(named, signal) : undefined;
  const member = lookups.member ? await findMember(named, signal) : undefined;
  const group = member?.autoScalingGroupName ?? found?.instance.autoScalingGroupName ?? occasion.group ?? null;
  const facts: RetirementFacts = {
    named,
    occasion,
    isConfirmed,
    item,
    found,
    lifecycleState: member?.lifecycleState ?? null,
    disk: await findDisk(occasion, item, found, signal),
    absentSince,
    mayBeOurs: mayMatch(profilesIn(named.region), named, group),
    isBeingRetired: isRetiring(item) && item.execution !== task.execution && (await isOwned(item, signal)),
    task,
  };
  return { facts, waitsInGroup: waitingGroup(member) };
}

function isRetiring(item: LedgerItem | undefined): item is LedgerItem {
  return item?.status === 'retiring' || item?.status === 're-imaging';
}

/** EC2 is asked for replacements of the root volume only where an announcement says that there was one. */
async function findDisk(
  { by, action }: Pick<Occasion, 'by' | 'action'>,
  item: LedgerItem | undefined,
  found: Found | undefined,
  signal: AbortSignal,
): Promise<Disk> {
  const isAnnounced = by === 're-image' || action === 'ReplaceRootVolume';
  if (!isAnnounced || !item || found?.instance.platform !== 'ec2') return 'same';
  const { replacedAt } = await replacementsOf(found.instance, signal);
  return diskOf(item, { ...found.instance, replacedAt });
}
