import { InvalidRequest } from '../lib/errors.ts';
import { type Found, type InstanceRef, ledgerKey } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { Retirement } from '../lib/state.ts';
import { mayBeAssociated } from './drift.ts';

/** Everything that the decision about a retirement depends on. */
export interface RetirementFacts {
  /** The instance that the request names. */
  readonly named: InstanceRef;
  /** The time of the event or the sweep that made the request; null if a person typed it. */
  readonly requestedAt: string | null;
  /** Whether the person who typed the request confirmed that the instance may still be running. */
  readonly isConfirmed: boolean;
  /** Whether the termination's event says that the instance goes back to its warm pool. */
  readonly returnsToWarmPool: boolean;
  /** The instance's ledger item. */
  readonly item: LedgerItem | undefined;
  /** The instance at its service. Only looked up for a typed request. */
  readonly found: Found | undefined;
  /** Whether another retirement of the instance still runs. */
  readonly isBeingRetired: boolean;
  readonly task: { readonly execution: string; readonly enteredTime: string };
}

export type RetirementDecision =
  | { readonly kind: 'nothing'; readonly reason: string }
  | {
      readonly kind: 'retire';
      /** The enrolment to stop. */
      readonly interruptedExecution: string | undefined;
      /** When the end of the instance was announced or requested. */
      readonly goneSince: string;
    };

/**
 * Decides whether the instance is to be retired.
 *
 *   returns to its warm pool ───────────────────────► nothing   it lives, and stays enrolled
 *   retired before ─────────────────────────────────► nothing
 *   this execution claimed it before ───────────────► retire    the task runs again
 *   the event is older than the launch ─────────────► nothing   it is about an earlier instance of the name
 *   a running execution retires it ─────────────────► nothing
 *   else, also if the ledger does not know it ──────► retire    an enrolment that is about to begin finds it retired
 *
 * @throws InvalidRequest for a typed request about an instance that is unknown, or that exists and is not confirmed
 */
export function decideRetirement(facts: RetirementFacts): RetirementDecision {
  if (facts.requestedAt === null) requirePlausible(facts);
  const reason = whyNothing(facts);
  if (reason !== undefined) return { kind: 'nothing', reason };
  const { item, requestedAt, task } = facts;
  const interruptedExecution = item?.status === 'enrolling' ? item.execution : item?.interruptedExecution;
  return { kind: 'retire', interruptedExecution, goneSince: requestedAt ?? task.enteredTime };
}

/** A typed request may contain a mistake. */
function requirePlausible({ named, isConfirmed, item, found }: RetirementFacts): void {
  const { platform, instanceId, region } = named;
  if (!found && !item) {
    const [service, field] = platform === 'ec2' ? ['EC2', 'instanceId'] : ['Lightsail', 'lightsailInstanceName'];
    throw new InvalidRequest(
      `Neither ${service} nor the ledger knows ${instanceId} in ${region}. Correct ${field}, add its region, or start this in its account.`,
    );
  }
  if (!found || isConfirmed || found.state === 'terminated' || found.state === 'shutting-down') return;
  throw new InvalidRequest(
    `${instanceId} is ${found.state}: retiring it would remove it from its servers. Add "confirm": true if you want that.`,
  );
}

function whyNothing({ item, requestedAt, returnsToWarmPool, isBeingRetired, task }: RetirementFacts) {
  if (returnsToWarmPool) return 'It returns to its warm pool.';
  if (!item) return undefined;
  const { instance, status, execution, launchTime, endedAt } = item;
  if (status === 'retired') return `${instance} was retired at ${endedAt}.`;
  if (execution === task.execution) return undefined;
  if (launchTime && requestedAt && Date.parse(requestedAt) < Date.parse(launchTime))
    return `The event is about an earlier instance of this name: ${instance} was launched at ${launchTime}.`;
  if (isBeingRetired) return `${instance} is being retired by ${execution}.`;
  return undefined;
}

/**
 * What may have to be undone for the instance. The node's key is bound before a stack or a server is told about the node,
 * so without a key there is nothing to undo, except at a server that needs none.
 */
export function retirementOf(
  which: InstanceRef,
  item: LedgerItem | undefined,
  outcome: Pick<Retirement, 'status' | 'reason' | 'wasRunning'>,
): Retirement {
  const isKeyBound = item?.publicKeyFingerprint !== undefined;
  const register = (isKeyBound && item.register) || null;
  const associate = (item && mayBeAssociated(item) && item.associate) || null;
  const { platform, instanceId, region } = which;
  return {
    platform,
    instanceId,
    region,
    ledgerKey: ledgerKey(which),
    ...outcome,
    generation: item?.generation ?? 0,
    nodeName: item?.nodeName ?? null,
    profile: item?.profile ?? null,
    profileVersion: item?.profileVersion ?? null,
    autoScalingGroupName: item?.autoScalingGroupName ?? null,
    register,
    associate,
    wants: { disassociation: associate !== null, deregistration: register !== null },
  };
}
