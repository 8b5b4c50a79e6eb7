import * as z from 'zod';
import { namedIn, parseRetirementRequest } from '../events/request.ts';
import { home, requireOurRegion } from '../lib/config.ts';
import { ledgerKey } from '../lib/instance.ts';
import type { Retirement, TaskContext } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { decideRetirement, type RetirementFacts, retirementOf } from '../profiles/retirement.ts';
import { findInstance } from '../services/instances.ts';
import { claim, findItem } from '../services/ledger.ts';
import { isOwned } from '../services/ownership.ts';
import { stopExecution } from '../services/state-machines.ts';

/**
 * Finds what was done for the instance, claims it, and stops an enrolment of it that still runs. An instance that is not
 * in the ledger is claimed too, so that an enrolment that is about to begin finds it retired.
 */
export const handler = task({ request: z.unknown() }, async ({ request, task }, { signal }): Promise<Retirement> => {
  const facts = await gather(request, task, signal);
  const { named, item } = facts;
  const decision = decideRetirement(facts);
  if (decision.kind === 'nothing')
    return retirementOf(named, item, { status: 'nothing', reason: decision.reason, wasRunning: false });
  const { interruptedExecution, goneSince } = decision;
  const owner = { instance: ledgerKey(named), region: named.region, execution: task.execution };
  const next = { ...owner, status: 'retiring', claimedAt: task.enteredTime, goneSince, interruptedExecution } as const;
  const claimed = await claim(item, next, signal);
  if (interruptedExecution) await stopExecution(interruptedExecution, stopReason(named.instanceId, task), signal);
  const wasRunning = interruptedExecution !== undefined;
  return retirementOf(named, claimed, { status: 'retiring', reason: null, wasRunning });
});

async function gather(input: unknown, task: TaskContext, signal: AbortSignal): Promise<RetirementFacts> {
  const request = parseRetirementRequest(input);
  const asked = namedIn(request, home());
  const item = await findItem(ledgerKey(asked), signal);
  // The ledger's Region wins over a typed one: in the wrong Region the instance would not be found, and look gone.
  const named = { ...asked, region: item?.region ?? asked.region };
  if (!request.trigger) requireOurRegion(named.region);
  return {
    named,
    requestedAt: request.trigger?.eventTime ?? null,
    isConfirmed: request.confirm ?? false,
    returnsToWarmPool: request.lifecycleAction?.destination === 'WarmPool',
    item,
    found: request.trigger ? undefined : await findInstance(named, signal),
    isBeingRetired: item?.status === 'retiring' && item.execution !== task.execution && (await isOwned(item, signal)),
    task,
  };
}

function stopReason(instanceId: string, { execution }: TaskContext) {
  return { error: 'InstanceGone', cause: `${instanceId} is being retired by ${execution}.` };
}
