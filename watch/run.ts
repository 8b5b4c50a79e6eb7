import { type InstanceRef, ledgerKey, namedBy } from '../lib/instance.ts';
import type { DeployedProfile } from '../lib/profile.ts';
import { hookOfAction, type WaitingAction } from '../lib/waiting-action.ts';
import {
  after,
  isExpiring,
  isHeartbeatDue,
  isShort,
  isUnanswered,
  LONGEST_ROUND_SECONDS,
  limitOf,
} from '../profiles/waiting.ts';
import { lookAt, regionsWithHooks, type WaitingMember } from './look.ts';
import type { WatchServices } from './services.ts';

/** One round of the watch. */
export interface Round {
  /** The time of the round, for every decision in it. */
  readonly at: string;
  /** Whether the groups are looked at too, for what no event has announced. */
  readonly isWhole: boolean;
  readonly profiles: readonly DeployedProfile[];
  readonly services: WatchServices;
}

export interface RoundReport {
  readonly waiting: number;
  readonly heartbeats: number;
  readonly started: readonly string[];
  /** Launches that are held until their hook's limit, and are about to reach it. */
  readonly expiring: readonly WaitingAction[];
  /** Whether a hook waits that expires between two rounds. */
  readonly hasShortHooks: boolean;
  /** What failed; everything else of the round was done. */
  readonly errors: readonly unknown[];
}

/** Auto Scaling shares its rate among all callers of the account. */
const AT_ONCE = 10;

/**
 * Keeps alive what waits in a hook of ours, and starts what nothing has started:
 *
 *   index of the ledger ──► heartbeats that are due, short hooks first ──► starts for what was seen a minute ago, unanswered
 *   groups ──► a member that the ledger does not know ──► heartbeat; if our hook takes it, our hook waits: into the ledger
 *
 * The ledger may be away: then everything that waits in the groups gets a heartbeat, so that no hook expires meanwhile.
 */
export async function runWatch(round: Round): Promise<RoundReport> {
  const { at, isWhole, services } = round;
  const errors: unknown[] = [];
  const attempt = <Value>(act: () => Promise<Value>): Promise<Value | undefined> =>
    act().catch((error: unknown) => {
      errors.push(error);
      return undefined;
    });
  const listed = await attempt(() => services.listWaiting());
  const actions = inOrder((listed ?? []).filter((action) => isWhole || isShort(action)));
  const outcomes = await inBatches(actions, (action) => attempt(() => keepAlive(action, at, services)));
  const over = actions.filter((_, index) => outcomes[index] === 'over');
  let greeted = 0;
  if (isWhole) {
    const { members, unread } = await look(round, attempt);
    const known = new Set(actions.map(({ subject }) => subject));
    const unknown = members.filter(({ instance }) => !known.has(ledgerKey(instance)));
    const taken = await inBatches(unknown, (member) => attempt(() => greet(member, listed !== undefined, round)));
    greeted = taken.filter(Boolean).length;
    const waiting = new Set(members.map(({ instance }) => ledgerKey(instance)));
    const gone = over.filter(({ subject, region }) => !waiting.has(subject) && !unread.has(region));
    await inBatches(gone, (action) => attempt(() => services.remove(action)));
  }
  const unanswered = actions.filter((action) => !over.includes(action) && isUnanswered(action, at));
  const started = await inBatches(unanswered, (action) => attempt(() => start(action, services)));
  const hasShortHooks = actions.some((action) => isShort(action) && !over.includes(action));
  if (isWhole && hasShortHooks) await attempt(() => services.startShortRounds(at));
  return {
    waiting: actions.length + greeted,
    heartbeats: outcomes.filter((outcome) => outcome === 'recorded').length + greeted,
    started: started.filter((name) => name !== undefined),
    expiring: actions.filter((action) => !over.includes(action) && isExpiring(action, at)),
    hasShortHooks,
    errors,
  };
}

/** What expires soonest comes first: the function may run out of time. */
function inOrder(actions: readonly WaitingAction[]): WaitingAction[] {
  return actions.toSorted((a, b) => a.heartbeatTimeoutSeconds - b.heartbeatTimeoutSeconds);
}

async function keepAlive(
  action: WaitingAction,
  at: string,
  services: WatchServices,
): Promise<'recorded' | 'over' | 'not-due'> {
  if (at >= limitOf(action)) return 'over';
  // One that is about to be answered is asked whether it still waits.
  if (!isHeartbeatDue(action, at) && !isUnanswered(action, at)) return 'not-due';
  const outcome = await services.heartbeat(hookOfAction(action), refOf(action));
  if (outcome === 'already-over') return 'over';
  await services.recordHeartbeatAt(action, at);
  return 'recorded';
}

async function look(
  round: Round,
  attempt: <Value>(act: () => Promise<Value>) => Promise<Value | undefined>,
): Promise<{ members: WaitingMember[]; unread: Set<string> }> {
  const members: WaitingMember[] = [];
  const unread = new Set<string>();
  for (const region of regionsWithHooks(round.profiles)) {
    const found = await attempt(() => lookAt(region, round.profiles, round.services));
    if (found) members.push(...found);
    else unread.add(region);
  }
  return { members, unread };
}

/**
 * A hook of ours that takes a heartbeat waits; one that does not is over, or waits behind another team's. An item that is
 * not in the index was written a moment ago, or its launch is left to its hook.
 * @returns whether one of our hooks waits
 */
async function greet(member: WaitingMember, isLedgerThere: boolean, { at, services }: Round): Promise<boolean> {
  const { instance, autoScalingGroupName, transition, hooks } = member;
  const subject = ledgerKey(instance);
  const item = isLedgerThere ? await services.findWaiting(subject) : undefined;
  if (item?.transition === transition) return false;
  for (const lifecycleHookName of hooks) {
    const hook = { autoScalingGroupName, lifecycleHookName };
    if ((await services.heartbeat(hook, instance)) === 'already-over') continue;
    const limits = isLedgerThere ? await services.findHook(hook, instance.region) : undefined;
    if (!limits) return true;
    const since = after(at, -LONGEST_ROUND_SECONDS);
    const { region } = instance;
    await services.recordWaiting({
      ...{ subject, region, ...hook, transition, ...limits },
      ...{ since, seenAt: at, heartbeatAt: at },
    });
    return true;
  }
  return false;
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
