import { missed } from '../lib/absence.ts';
import { associationsOf, toBeLeft, toBeUndone } from '../lib/associations.ts';
import { InvalidRequest } from '../lib/errors.ts';
import { type Found, type InstanceRef, ledgerKey } from '../lib/instance.ts';
import { isOfEarlierInstance, type LedgerItem } from '../lib/ledger-item.ts';
import type { Profile, Register } from '../lib/profile.ts';
import type { Associate } from '../lib/servers.ts';
import type { Retirement, TaskContext } from '../lib/state.ts';
import { matches, profilesForGroup } from './match.ts';

/** What started a retirement. It says where to look; what it claims is proved at the service. */
export interface Occasion {
  /** `person`: nothing of ours announced it. */
  readonly by: 'event' | 'watch' | 'sweep' | 'undo' | 'move' | 'person';
  /** When it happened; null for a person. */
  readonly at: string | null;
  /** Where a terminating instance goes, as its event says: `EC2` or `WarmPool`. */
  readonly destination?: string | undefined;
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
  /** When this execution first missed the instance at its service, if it has not seen it since. */
  readonly absentSince: string | null;
  /** Whether a profile may match it: without one, an instance that the ledger does not know is not ours. */
  readonly mayBeOurs: boolean;
  /** Whether another retirement of the instance still runs. */
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
  const reason = whyNothing(facts);
  if (reason !== undefined) return { kind: 'nothing', reason };
  if (isClaimedHere(facts)) return retire(facts);
  if (occasion.by === 'undo')
    return item?.generation === occasion.generation
      ? retire(facts)
      : { kind: 'nothing', reason: `${facts.named.instanceId} has been claimed again since the enrolment failed.` };
  if (isConfirmed) return retire(facts);
  return decideFromService(facts);
}

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
  return item?.status === 'retiring' && item.execution === task.execution;
}

function retire({ item, occasion, task }: RetirementFacts): RetirementDecision {
  const interruptedExecution = item?.status === 'enrolling' ? item.execution : item?.interruptedExecution;
  return { kind: 'retire', interruptedExecution, goneSince: occasion.at ?? task.enteredTime };
}

/** The ledger fields to claim the instance with. */
export function retirementClaim(
  { named, task }: RetirementFacts,
  { goneSince, interruptedExecution }: Extract<RetirementDecision, { kind: 'retire' }>,
) {
  return {
    instance: ledgerKey(named),
    region: named.region,
    status: 'retiring' as const,
    execution: task.execution,
    claimedAt: task.enteredTime,
    goneSince,
    interruptedExecution,
  };
}

function decideLeaving({ named, item }: RetirementFacts): RetirementDecision {
  if (item?.status === 'enrolled') return { kind: 'leave' };
  return { kind: 'nothing', reason: `${named.instanceId} is not enrolled any more: its retirement undoes the rest.` };
}

function decideFromService(facts: RetirementFacts): RetirementDecision {
  const { named, item, occasion, found, lifecycleState, task } = facts;
  const { instanceId } = named;
  if (lifecycleState?.endsWith('Terminating:Retained'))
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
  return /^(Warmed:)?Terminat(ing(:Wait|:Proceed)?|ed)$/.test(lifecycleState ?? '');
}

/** Whether the name belongs to another Lightsail instance by now. A name exists once, so the one in the ledger is gone. */
function isReplaced(item: LedgerItem | undefined, found: Found | undefined): boolean {
  return item !== undefined && found !== undefined && isOfEarlierInstance(item, found.instance);
}

/**
 * Whether a profile may match an instance, as far as its name and its group tell.
 * @param group null if it is not known to be in one
 */
export function mayMatch(
  profiles: readonly Profile[],
  { platform, instanceId }: InstanceRef,
  group: string | null,
): boolean {
  if (platform === 'lightsail')
    return profiles.some(
      ({ match: { autoScalingGroup, lightsail = '*' } }) =>
        autoScalingGroup === undefined && matches(lightsail, instanceId),
    );
  if (group !== null) return profilesForGroup(profiles, group).length > 0;
  return profiles.some(({ match }) => match.autoScalingGroup === undefined && match.lightsail === undefined);
}

/**
 * Why an announced end starts no retirement yet: a sentence. In another team's hook the instance may still be in use, and its
 * end is announced again when it comes.
 * @param profiles those for the instance's Region
 * @param hook the termination hook in which it waits
 */
export function whyNotYet(
  profiles: readonly Profile[],
  { instanceId }: Pick<InstanceRef, 'instanceId'>,
  hook: string | undefined,
): string | undefined {
  if (hook === undefined || profiles.some(({ terminationHook }) => terminationHook === hook)) return undefined;
  return `${instanceId} terminates under the hook ${hook}, which no profile names.`;
}

/**
 * Why the end of an instance that no profile matches starts no retirement: a sentence. Each would cost an execution and a
 * ledger item.
 */
export function whyNotOurs(
  { instanceId }: Pick<InstanceRef, 'instanceId'>,
  group: string | null,
  item: Pick<LedgerItem, 'status'> | undefined,
): string | undefined {
  if (item && item.status !== 'retired') return undefined;
  const where = group === null ? '' : ` of the group ${group}`;
  return `No profile matches ${instanceId}${where}, and the ledger does not know it.`;
}

/** What the ledger proves that we did for the instance and have not undone. */
export function retirementOf(
  which: InstanceRef,
  item: LedgerItem | undefined,
  outcome: Pick<Retirement, 'status' | 'reason' | 'wasRunning'> &
    Partial<Pick<Retirement, 'absentSince' | 'pauseSeconds' | 'waitsInGroup' | 'deadline'>>,
): Retirement {
  const { platform, instanceId, region } = which;
  const left = serversLeft(item, outcome.status);
  const register = (item && outcome.status === 'retiring' && ourRegistration(item)) || null;
  return {
    platform,
    instanceId,
    region,
    ledgerKey: ledgerKey(which),
    absentSince: null,
    pauseSeconds: 0,
    waitsInGroup: null,
    ...outcome,
    generation: item?.generation ?? 0,
    nodeName: item?.nodeName ?? null,
    profile: item?.profile ?? null,
    profileVersion: item?.profileVersion ?? null,
    autoScalingGroupName: item?.autoScalingGroupName ?? null,
    register,
    opsworksInstanceId: item?.opsworksInstanceId ?? null,
    registeringUntil: item?.registeringUntil ?? null,
    associate: item?.associate ?? null,
    wants: { disassociation: left.length > 0, deregistration: register !== null },
    undoing: { left, failures: null },
  };
}

function serversLeft(item: LedgerItem | undefined, status: Retirement['status']): Associate[] {
  if (!item) return [];
  if (status === 'leaving') return toBeLeft(item).map(([, { server }]) => server);
  return status === 'retiring' ? toBeUndone(associationsOf(item)).map(([, { server }]) => server) : [];
}

/** The stack in which we registered the instance. Before an attempt, `registeringUntil` is recorded. */
function ourRegistration({ register, registeredBy, registeringUntil }: LedgerItem): Register | null {
  const isOurs = registeredBy === undefined ? registeringUntil !== undefined : registeredBy === 'muster';
  return (isOurs && register) || null;
}
