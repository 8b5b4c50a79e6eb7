import type { GroupMember, InstanceRef } from '../lib/instance.ts';
import type { Hook } from '../lib/state.ts';
import type { WaitingAction } from '../lib/waiting-action.ts';
import type { HookLimits } from '../profiles/waiting.ts';

/** An Auto Scaling group with the lifecycle state of each of its instances, by instance id. */
export interface WatchedGroup {
  readonly name: string;
  readonly hasWarmPool: boolean;
  /** Excludes the instances of its warm pool. */
  readonly lifecycleStates: ReadonlyMap<string, GroupMember['lifecycleState']>;
}

/** Every call that the watch makes. */
export interface WatchServices {
  /** Every action that the ledger's index has, and one fault for each item that cannot be read. */
  readonly listWaiting: () => Promise<{ actions: WaitingAction[]; faults: Error[] }>;
  /** The item of one instance, read consistently. */
  readonly findWaiting: (subject: string) => Promise<WaitingAction | undefined>;
  readonly recordWaiting: (action: Omit<WaitingAction, 'expiresAt' | 'waiting'>) => Promise<void>;
  readonly recordHeartbeatAt: (action: WaitingAction, heartbeatAt: string) => Promise<void>;
  readonly recordExecution: (action: WaitingAction, execution: string) => Promise<void>;
  /** Removes the action's item, unless another action has replaced it. */
  readonly remove: (action: WaitingAction) => Promise<void>;
  /** The Region's Auto Scaling groups of these names, or all of them, page by page. */
  readonly listGroups: (names: readonly string[] | null, region: string) => AsyncIterable<WatchedGroup[]>;
  /** The lifecycle states of the instances in a group's warm pool, by instance id. */
  readonly warmPoolStates: (group: string, region: string) => Promise<ReadonlyMap<string, string>>;
  readonly heartbeat: (hook: Hook, instance: InstanceRef) => Promise<'recorded' | 'already-over'>;
  readonly findHook: (hook: Hook, region: string) => Promise<HookLimits | undefined>;
  /** Starts the execution that answers the action. @returns its name */
  readonly start: (action: WaitingAction) => Promise<string>;
  /** Starts watch-hooks, which looks every six seconds at hooks that expire between two rounds. */
  readonly startShortRounds: (at: string) => Promise<void>;
}
