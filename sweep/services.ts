import type { Start } from '../events/start.ts';
import type { Found, Instance } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { Profile } from '../lib/profile.ts';

/** An Auto Scaling group with the lifecycle state of each of its instances, by instance id. */
export interface ScalingGroup {
  readonly name: string;
  readonly hasWarmPool: boolean;
  /** Without those of its warm pool. */
  readonly lifecycleStates: ReadonlyMap<string, string>;
}

/** Every call that a sweep makes. */
export interface SweepServices {
  /** Every instance's ledger item, page by page. */
  readonly listItems: () => AsyncIterable<LedgerItem[]>;
  /** Every instance in the Region that the profile may match, page by page. */
  readonly listFleet: (profile: Profile, region: string) => AsyncIterable<Found[]>;
  /** The Region's Auto Scaling groups of these names, or all of them, page by page. */
  readonly listGroups: (names: readonly string[] | null, region: string) => AsyncIterable<ScalingGroup[]>;
  /** The lifecycle states of the instances in a group's warm pool, by instance id. */
  readonly warmPoolStates: (group: string, region: string) => Promise<ReadonlyMap<string, string>>;
  /** The IMDSv1 calls of instances, by ledger key; null if the metric has no data. */
  readonly imdsV1Calls: (
    instances: readonly Instance[],
    period: { at: string; lookBackDays: number },
  ) => Promise<ReadonlyMap<string, number | null>>;
  readonly startEnrolment: (start: Start) => Promise<'started' | 'already-started'>;
  readonly startRetirement: (start: Start) => Promise<'started' | 'already-started'>;
  /** Whether the execution of this ARN still runs. */
  readonly isRunning: (execution: string) => Promise<boolean>;
  /** Looks up one instance by its id or name. */
  readonly find: (record: LedgerItem) => Promise<Found | undefined>;
  /** Records that the node was missing, or (null) that it was seen again. */
  readonly setMissingSince: (record: LedgerItem, at: string | null) => Promise<void>;
  /** The sentence for an error from a service. @throws the error if it is a fault of our own */
  readonly refusalOf: (error: unknown) => string;
}

/** What limits the actions of a sweep. */
export interface SweepLimits {
  /** The time of the sweep, for every decision in it. */
  readonly at: string;
  readonly isDryRun: boolean;
  /** The state machine retries this sweep: executions that exist already may be its own. */
  readonly isRepeated: boolean;
  readonly maxStarts: number;
  readonly maxRetirements?: number | undefined;
}

/** An instance that fails before its ledger item is written is found again, and must not use up a start. */
export const STARTED_BEFORE = 'Its execution was already started today: check how it ended.';
