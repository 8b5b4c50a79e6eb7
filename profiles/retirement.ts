import { missed } from '../lib/absence.ts';
import { InvalidRequest } from '../lib/errors.ts';
import { type Found, type InstanceRef, ledgerKey } from '../lib/instance.ts';
import { isOfEarlierInstance, type LedgerItem } from '../lib/ledger-item.ts';
import { isInPhase, isReplacing } from '../lib/lifecycle-state.ts';
import type { TaskContext } from '../lib/state.ts';
import { type Disk, hasSomethingToUndo, retiredKeysWith } from './re-image.ts';

/** What started a retirement. It says where to look; what it claims is proved at the service. */
export interface Occasion {
  /** `person`: nothing of ours announced it. */
  readonly by: 'event' | 'watch' | 'sweep' | 'undo' | 'move' | 're-image' | 'person';
  /** When it happened; null for a person. */
  readonly at: string | null;
  /** Where a terminating instance goes, as its event says: `EC2` or `WarmPool`. */
  readonly destination?: string | undefined;
  /** `ReplaceRootVolume`: its event says that the instance stays, and gets another root volume. */
  readonly action?: string | undefined;
  /** The generation of the enrolment that is undone. */
  readonly generation?: number | undefined;
}

/** Everything that the decision about a retirement depends on. */
export interface RetirementFacts {
  /** The instance that the request names. */
  readonly named: InstanceRef;
  readonly occasion: Occasion;
  /** Whether the person who typed the request confirmed that the instance may still be running. */
  readonly isConfirmed: boolean;
  /** The instance's ledger item. */
  readonly item: LedgerItem | undefined;
  /** The instance at its service. */
  readonly found: Found | undefined;
  /** Its lifecycle state in its Auto Scaling group; null if it is in none. */
  readonly lifecycleState: string | null;
  /** Its disk, compared with the one whose key is bound. */
  readonly disk: Disk;
  /** When this execution first missed the instance at its service, if it has not seen it since. */
  readonly absentSince: string | null;
  /** Whether a profile may match it: without one, an instance that the ledger does not know is not ours. */
  readonly mayBeOurs: boolean;
  /** Whether another retirement of the instance, or of the key of its former root volume, still runs. */
  readonly isBeingRetired: boolean;
  readonly task: Pick<TaskContext, 'execution' | 'startTime' | 'enteredTime'>;
}

export type RetirementDecision =
  | { readonly kind: 'nothing'; readonly reason: string }
  | {
      /** The service has not confirmed the end yet: look again after the pause. */
      readonly kind: 'unconfirmed';
      readonly reason: string;
      readonly absentSince: string | null;
      readonly pauseSeconds: number;
    }
  /** The node has moved: it is taken off its former servers and stays enrolled. */
  | { readonly kind: 'leave' }
  /** The instance stays, and the key of its root volume is retired. */
  | { readonly kind: 're-image' }
  | {
      readonly kind: 'retire';
      /** The enrolment to stop. */
      readonly interruptedExecution: string | undefined;
      /** When the end of the instance was announced or requested. */
      readonly goneSince: string;
    };

const MINUTE = 60_000;

/** How long an announced end may remain unconfirmed: a service can show for minutes what is already deleted. */
const UNCONFIRMED_MINUTES = 30;

/**
 * Decides whether the instance is to be retired. An event alone never decides it: the service that owns the instance does.
 *
 *   its node has moved ─────────────────────────────► leave     if the ledger confirms its association elsewhere
 *   returns to its warm pool ───────────────────────► nothing   it lives, and stays enrolled
 *   retired before ─────────────────────────────────► nothing
 *   this execution claimed it before ───────────────► retire    the task runs again
 *   the event is older than the launch ─────────────► nothing   it is about an earlier instance of the name
 *   a running execution retires it ─────────────────► nothing
 *   undo of an enrolment, no later one since ───────► retire    whether the instance runs or not
 *   confirmed by a person ──────────────────────────► retire    the same
 *   its root volume is being replaced, or was ──────► re-image  see decideReImage
 *   its service says that it has ended ─────────────► retire
 *   its group keeps it (Terminating:Retained) ──────► nothing   it goes on running
 *   not found, for less than 5 minutes ─────────────► unconfirmed
 *   still shown, for less than 30 minutes ──────────► unconfirmed
 *   still shown after 30 minutes ───────────────────► nothing   the event was wrong
 *
 * @throws InvalidRequest for a typed request about an instance that is unknown, or that exists and is not confirmed
 */
export function decideRetirement(facts: RetirementFacts): RetirementDecision {
  const { item, occasion, isConfirmed } = facts;
  if (occasion.by === 'person') requirePlausible(facts);
  if (occasion.by === 'move') return decideLeaving(facts);
  if (isBehindReImage(facts)) return afterReImage(facts);
  const reason = whyNothing(facts);
  if (reason !== undefined) return { kind: 'nothing', reason };
  if (isClaimedHere(facts)) return item?.status === 're-imaging' ? RE_IMAGE : retire(facts);
  if (occasion.by === 'undo')
    return item?.generation === occasion.generation
      ? retire(facts)
      : { kind: 'nothing', reason: `${facts.named.instanceId} has been claimed again since the enrolment failed.` };
  if (isConfirmed) return retire(facts);
  return isReImage(facts) ? decideReImage(facts) : decideFromService(facts);
}

/** The old key is being retired, and the whole instance goes now: that comes after it, and its hook does not wait for it. */
function isBehindReImage(facts: RetirementFacts): boolean {
  return facts.isBeingRetired && facts.item?.status === 're-imaging' && !isReImage(facts);
}

function afterReImage({ named, item }: RetirementFacts): RetirementDecision {
  const reason = `${named.instanceId} waits until ${item?.execution} has retired the key of its former root volume.`;
  return { kind: 'unconfirmed', reason, absentSince: null, pauseSeconds: 60 };
}

/** Whether an event, or the group, says that the instance stays and gets another root volume. */
function isReImage({ occasion: { by, action }, isConfirmed, lifecycleState }: RetirementFacts): boolean {
  if (by === 'undo' || by === 'move' || isConfirmed) return false;
  return by === 're-image' || action === 'ReplaceRootVolume' || isReplacing(lifecycleState);
}

/**
 * Decides whether the key of a root volume is retired while the instance stays. The group proves that the replacement
 * begins, EC2 that it is over:
 *
 *   the ledger does not know the instance ──────────► nothing
 *   its key is retired already ─────────────────────► nothing
 *   EC2 says that the instance has ended ───────────► retire    the whole of it
 *   ReplacingRootVolume, :Wait, :Proceed ───────────► re-image
 *   the event is older than the root volume ────────► nothing   it was about the former one
 *   EC2 proves the replacement ─────────────────────► re-image, if something is left to undo
 *   otherwise ──────────────────────────────────────► unconfirmed, for 30 minutes
 */
function decideReImage(facts: RetirementFacts): RetirementDecision {
  const { named, item, occasion, found, lifecycleState, disk } = facts;
  const nothing = (reason: string) => ({ kind: 'nothing', reason }) as const;
  if (!item) return nothing(`The ledger does not know ${named.instanceId}: it has no key to retire.`);
  if (item.status === 'retiring') return nothing(`${item.instance} is being retired by ${item.execution}.`);
  if (item.status === 're-imaging' && item.endedAt !== undefined)
    return nothing(`The key of the former root volume was retired at ${item.endedAt}.`);
  if (found && hasEnded(found.state)) return retire(facts);
  if (isReplacing(lifecycleState)) return RE_IMAGE;
  if (!found || isTerminating(lifecycleState)) return decideFromService(facts);
  const { rootVolumeSeenAt } = item;
  if (rootVolumeSeenAt && occasion.at && Date.parse(occasion.at) < Date.parse(rootVolumeSeenAt))
    return nothing(
      `The event is older than the root volume of ${item.instance}, which was seen at ${rootVolumeSeenAt}.`,
    );
  if (disk !== 'replaced') return stillThere(facts, `on the root volume ${found.instance.rootVolume?.id}`);
  return hasSomethingToUndo(item) ? RE_IMAGE : nothing('Nothing is left of its former root volume.');
}

/** An enrolment that runs is not stopped: it loses its claim, and begins again on the new disk. */
const RE_IMAGE = { kind: 're-image' } as const;

/** A typed request may contain a mistake. */
function requirePlausible({ named, isConfirmed, item, found, lifecycleState }: RetirementFacts): void {
  const { platform, instanceId, region } = named;
  if (!found && !item) {
    const [service, field] = platform === 'ec2' ? ['EC2', 'instanceId'] : ['Lightsail', 'lightsailInstanceName'];
    throw new InvalidRequest(
      `Neither ${service} nor the ledger knows ${instanceId} in ${region}. Correct ${field}, add its region, or start this in its account.`,
    );
  }
  const isEnding = !found || hasEnded(found.state) || isTerminating(lifecycleState);
  if (isConfirmed || isEnding || isReplaced(item, found)) return;
  throw new InvalidRequest(
    `${instanceId} is ${found.state}: retiring it would remove it from its servers. Add "confirm": true if you want that.`,
  );
}

function whyNothing({ named, item, occasion, isBeingRetired, mayBeOurs, task }: RetirementFacts) {
  if (occasion.destination === 'WarmPool') return 'It returns to its warm pool.';
  if (!item) return mayBeOurs ? undefined : `The ledger does not know ${named.instanceId}, and no profile matches it.`;
  const { instance, status, execution, launchTime, endedAt } = item;
  if (status === 'retired') return `${instance} was retired at ${endedAt}.`;
  if (execution === task.execution) return undefined;
  if (launchTime && occasion.at && Date.parse(occasion.at) < Date.parse(launchTime))
    return `The event is about an earlier instance of this name: ${instance} was launched at ${launchTime}.`;
  if (isBeingRetired) return `${instance} is being retired by ${execution}.`;
  return undefined;
}

function isClaimedHere({ item, task }: RetirementFacts): boolean {
  const isRetiring = item?.status === 'retiring' || item?.status === 're-imaging';
  return isRetiring && item.execution === task.execution;
}

function retire({ item, occasion, task }: RetirementFacts): RetirementDecision {
  const interruptedExecution = item?.status === 'enrolling' ? item.execution : item?.interruptedExecution;
  return { kind: 'retire', interruptedExecution, goneSince: occasion.at ?? task.enteredTime };
}

/** The ledger fields to claim the instance with. */
export function retirementClaim(
  facts: RetirementFacts,
  decision: Extract<RetirementDecision, { kind: 'retire' | 're-image' }>,
) {
  const { named, item, task } = facts;
  const owner = { instance: ledgerKey(named), region: named.region, execution: task.execution };
  const claim = { ...owner, claimedAt: task.enteredTime };
  if (decision.kind === 'retire') {
    const { goneSince, interruptedExecution } = decision;
    return { ...claim, status: 'retiring' as const, goneSince, interruptedExecution };
  }
  return {
    ...claim,
    status: 're-imaging' as const,
    reImagedAt: null,
    ...(item && { retiredKeys: retiredKeysWith(item), ...formerVolume(facts, item) }),
  };
}

/** An item from before root volumes were recorded learns the former one from EC2, before the replacement begins. */
function formerVolume({ found, lifecycleState, task }: RetirementFacts, { rootVolumeId }: LedgerItem) {
  const id = found?.instance.rootVolume?.id;
  if (rootVolumeId !== undefined || id === undefined || !isInPhase(lifecycleState, 'replacement-waits')) return {};
  return { rootVolumeId: id, rootVolumeSeenAt: task.enteredTime };
}

function decideLeaving({ named, item }: RetirementFacts): RetirementDecision {
  if (item?.status === 'enrolled') return { kind: 'leave' };
  return { kind: 'nothing', reason: `${named.instanceId} is not enrolled any more: its retirement undoes the rest.` };
}

function decideFromService(facts: RetirementFacts): RetirementDecision {
  const { named, item, occasion, found, lifecycleState, task } = facts;
  const { instanceId } = named;
  if (isInPhase(lifecycleState, 'retained'))
    return { kind: 'nothing', reason: `Its group keeps ${instanceId} running (${lifecycleState}).` };
  // A state of its group does not say whether a terminating instance returns to a warm pool; its event does.
  if (isTerminating(lifecycleState) && occasion.destination === 'EC2') return retire(facts);
  if (found && (hasEnded(found.state) || isReplaced(item, found))) return retire(facts);
  // EC2 may miss what its group still has in service.
  if (!found && lifecycleState !== null && !isTerminating(lifecycleState)) return stillThere(facts, lifecycleState);
  if (!found) {
    const { absentSince, pauseSeconds } = missed(facts.absentSince, task.enteredTime);
    if (absentSince === null) return retire(facts);
    const reason = `${instanceId} has not been found since ${absentSince}, which a second look has to confirm.`;
    return { kind: 'unconfirmed', reason, absentSince, pauseSeconds };
  }
  return stillThere(facts, lifecycleState === null ? found.state : `${found.state} (${lifecycleState} in its group)`);
}

/** What a service shows is looked at again for a while, because it may show for minutes what is deleted. */
function stillThere({ named: { instanceId }, task }: RetirementFacts, state: string): RetirementDecision {
  const waitedMilliseconds = Date.parse(task.enteredTime) - Date.parse(task.startTime);
  if (waitedMilliseconds >= UNCONFIRMED_MINUTES * MINUTE)
    return {
      kind: 'nothing',
      reason: `Left alone: ${instanceId} is still ${state} ${UNCONFIRMED_MINUTES} minutes after its end was announced.`,
    };
  return {
    kind: 'unconfirmed',
    reason: `${instanceId} is still ${state}.`,
    absentSince: null,
    pauseSeconds: Math.min(Math.max(Math.floor(waitedMilliseconds / 2000), 15), 300),
  };
}

function hasEnded(state: string): boolean {
  return state === 'shutting-down' || state === 'terminated';
}

function isTerminating(lifecycleState: string | null): boolean {
  return isInPhase(lifecycleState, 'terminating', 'termination-waits', 'terminated');
}

/** Whether the name belongs to another Lightsail instance by now. A name exists once, so the one in the ledger is gone. */
function isReplaced(item: LedgerItem | undefined, found: Found | undefined): boolean {
  return item !== undefined && found !== undefined && isOfEarlierInstance(item, found.instance);
}
