import { type InstanceRef, ledgerKey, namedBy } from '../lib/instance.ts';
import type { DeployedProfile } from '../lib/profile.ts';
import { hookOfAction, type WaitingAction } from '../lib/waiting-action.ts';
import {
  after,
  type HookLimits,
  isExpiring,
  isHeartbeatDue,
  isShort,
  isUnanswered,
  LONGEST_ROUND_SECONDS,
  limitOf,
} from '../profiles/waiting.ts';
import { listWaitingMembers, regionsWithHooks, type WaitingMember } from './members.ts';
import type { WatchServices } from './services.ts';

/** One round of the watch. */
export interface Round {
  /** The time of the round, for every decision in it. */
  readonly at: string;
  /** Whether to list the groups too, to find actions whose event was lost. */
  readonly isFull: boolean;
  readonly profiles: readonly DeployedProfile[];
  readonly services: WatchServices;
}

export interface RoundReport {
  readonly waiting: number;
  readonly heartbeats: number;
  /** The names of the executions. */
  readonly started: readonly string[];
  /** Launches that no enrolment has decided, close to their hook's limit. */
  readonly expiring: readonly WaitingAction[];
  /** Whether a hook waits that expires between two rounds. */
  readonly hasShortHooks: boolean;
  /** What failed; everything else of the round was done. */
  readonly errors: readonly unknown[];
}

/** Auto Scaling shares its rate among all callers of the account. */
const AT_ONCE = 10;

/** Runs one call; an error is collected, and the round goes on. */
type Attempt = <Value>(call: () => Promise<Value>) => Promise<Value | undefined>;

/**
 * Sends the heartbeats that are due, and starts executions for actions whose event was lost:
 *
 *   index of the ledger ──► heartbeats, the shortest hooks first ──► starts for what was seen a minute ago and has no execution
 *   groups ──► a member without an item ──► heartbeat: accepted, our hook waits ──► record it
 *
 * The ledger may be away: then every member that waits gets a heartbeat, so that no hook expires meanwhile.
 */
export async function runWatch(round: Round): Promise<RoundReport> {
  const { at, isFull, services } = round;
  const errors: unknown[] = [];
  const attempt: Attempt = (call) =>
    call().catch((error: unknown) => {
      errors.push(error);
      return undefined;
    });
  const listed = await attempt(() => services.listWaiting());
  errors.push(...(listed?.faults ?? []));
  const all = listed?.actions ?? [];
  const actions = shortestFirst(isFull ? all : all.filter(isShort));
  const { open, over, heartbeats } = await keepAlive(actions, round, attempt);
  const adopted = isFull ? await lookForOthers({ open, over }, listed !== undefined, round, attempt) : [];
  const unanswered = open.filter((action) => isUnanswered(action, at));
  const started = await inBatches(unanswered, (action) => attempt(() => start(action, services)));
  const hasShortHooks = open.some(isShort) || adopted.some((limits) => limits !== null && isShort(limits));
  if (isFull && hasShortHooks) await attempt(() => services.startShortRounds(at));
  return {
    waiting: open.length + adopted.length,
    heartbeats: heartbeats + adopted.length,
    started: started.filter((name) => name !== undefined),
    expiring: open.filter((action) => isExpiring(action, at)),
    hasShortHooks,
    errors,
  };
}

function shortestFirst(actions: readonly WaitingAction[]): WaitingAction[] {
  return actions.toSorted((a, b) => a.heartbeatTimeoutSeconds - b.heartbeatTimeoutSeconds);
}

/** Heartbeats for the actions that the ledger has; an action is over where Auto Scaling no longer accepts one. */
async function keepAlive(actions: readonly WaitingAction[], { at, services }: Round, attempt: Attempt) {
  const outcomes = await inBatches(actions, (action) => attempt(() => heartbeat(action, at, services)));
  return {
    open: actions.filter((_, index) => outcomes[index] !== 'over'),
    over: actions.filter((_, index) => outcomes[index] === 'over'),
    heartbeats: outcomes.filter((outcome) => outcome === 'recorded').length,
  };
}

async function heartbeat(
  action: WaitingAction,
  at: string,
  services: WatchServices,
): Promise<'recorded' | 'over' | 'not-due'> {
  if (at >= limitOf(action)) return 'over';
  // Before an execution is started, a heartbeat shows whether the action is still open.
  if (!isHeartbeatDue(action, at) && !isUnanswered(action, at)) return 'not-due';
  const outcome = await services.heartbeat(hookOfAction(action), refOf(action));
  if (outcome === 'already-over') return 'over';
  await services.recordHeartbeatAt(action, at);
  return 'recorded';
}

/**
 * Lists the members that wait in groups of ours. Adopts those that the ledger does not have, and removes the items of actions
 * that are over and whose members no longer wait.
 * @returns the limits of each adopted member's hook; null where they could not be recorded
 */
async function lookForOthers(
  { open, over }: { open: readonly WaitingAction[]; over: readonly WaitingAction[] },
  isLedgerThere: boolean,
  round: Round,
  attempt: Attempt,
): Promise<(HookLimits | null)[]> {
  const { services, profiles } = round;
  const members: WaitingMember[] = [];
  const unread = new Set<string>();
  for (const region of regionsWithHooks(profiles)) {
    const found = await attempt(() => listWaitingMembers(region, profiles, services));
    if (found) members.push(...found);
    else unread.add(region);
  }
  const waiting = new Set(members.map(keyOfMember));
  const gone = over.filter((action) => !waiting.has(keyOf(action)) && !unread.has(action.region));
  await inBatches(gone, (action) => attempt(() => services.remove(action)));
  const known = new Set([...open, ...over].map(keyOf));
  const others = members.filter((member) => !known.has(keyOfMember(member)));
  const adopted = await inBatches(others, (member) => attempt(() => adopt(member, isLedgerThere, round, attempt)));
  return adopted.filter((limits) => limits !== undefined);
}

/** An instance may have launched and terminate now: they are two actions. */
function keyOf({ transition, subject }: Pick<WaitingAction, 'transition' | 'subject'>): string {
  return `${transition} ${subject}`;
}

function keyOfMember({ transition, instance }: WaitingMember): string {
  return keyOf({ transition, subject: ledgerKey(instance) });
}

/**
 * A hook of ours that accepts a heartbeat waits; one that does not is over, or waits behind another team's. An item that the
 * index does not have was written a moment ago, or ResolveProfile left its launch to its hook.
 * @returns undefined if no hook of ours waits
 */
async function adopt(
  { instance, autoScalingGroupName, transition, hooks }: WaitingMember,
  isLedgerThere: boolean,
  { at, services }: Round,
  attempt: Attempt,
): Promise<HookLimits | null | undefined> {
  const subject = ledgerKey(instance);
  // Null where the ledger could not be asked: then a heartbeat is all that can be done.
  const lookedUp = isLedgerThere
    ? await attempt(async () => ({ item: await services.findWaiting(subject) }))
    : undefined;
  if (lookedUp?.item?.transition === transition) return undefined;
  for (const lifecycleHookName of hooks) {
    const hook = { autoScalingGroupName, lifecycleHookName };
    if ((await services.heartbeat(hook, instance)) === 'already-over') continue;
    const limits = lookedUp && (await services.findHook(hook, instance.region));
    if (!limits) return null;
    const since = after(at, -LONGEST_ROUND_SECONDS);
    const action = { subject, region: instance.region, ...hook, transition, ...limits };
    await services.recordWaiting({ ...action, since, seenAt: at, heartbeatAt: at });
    return limits;
  }
  return undefined;
}

async function start(action: WaitingAction, services: WatchServices): Promise<string> {
  const execution = await services.start(action);
  await services.recordExecution(action, execution);
  return execution;
}

function refOf({ subject, region }: WaitingAction): InstanceRef {
  return namedBy({ instance: subject, region });
}

async function inBatches<Item, Result>(
  items: readonly Item[],
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE)
    results.push(...(await Promise.all(items.slice(from, from + AT_ONCE).map(act))));
  return results;
}
