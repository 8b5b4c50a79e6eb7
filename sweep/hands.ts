import type { TriggeredRequest, TriggeredRetirement } from '../events/request.ts';
import type { Found } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';

/** What a sweep does to the world, as far as it may: each is one call of a service. */
export interface Hands {
  readonly startEnrolment: (name: string, request: TriggeredRequest) => Promise<'started' | 'already-started'>;
  readonly startRetirement: (name: string, request: TriggeredRetirement) => Promise<'started' | 'already-started'>;
  /** Asks the service for one instance by its id or name. */
  readonly find: (record: LedgerItem) => Promise<Found | undefined>;
  /** Records that the node was missed, or (null) that it was seen again. */
  readonly setMissingSince: (record: LedgerItem, at: string | null) => Promise<void>;
  /** The sentence of an error that a service has answered with. @throws a fault of our own */
  readonly refusalOf: (error: unknown) => string;
}

/** What all that a sweep does goes by. */
export interface Pace {
  /** The instant by which everything is judged. */
  readonly at: string;
  readonly isDryRun: boolean;
  /** The state machine runs it again: what was started before was so by this very sweep. */
  readonly isRepeated: boolean;
  /** The stack's own Region. */
  readonly home: string;
  readonly maxStarts: number;
  readonly maxRetirements?: number | undefined;
}

/** Whoever fails before its ledger item is written comes again, and must not take the place of those behind it. */
export const STARTED_BEFORE = 'Its execution was started already today: look at what became of it.';
