import { secondsUntilConfirmed } from '../lib/absence.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import { isBeingRetired } from './assessment.ts';

/** The nodes of one profile that are in the ledger and that the sweep did not see at their service. */
export interface Gone {
  readonly profile: string;
  /** There is no profile of this name any more. */
  readonly isOrphaned: boolean;
  /** How many nodes the profile has in the ledger. */
  readonly nodes: number;
  /** Not seen, for the first time. */
  readonly missing: LedgerItem[];
  /** Not seen by an earlier sweep either: to be looked up by name. */
  readonly stillMissing: LedgerItem[];
  /** Missed by an earlier sweep, and there again. */
  readonly seenAgain: LedgerItem[];
}

/** What a sweep has seen. */
export interface Seen {
  /** The keys, in the ledger, of the instances that are listed. */
  readonly seen: ReadonlySet<string>;
  /** The instant of the sweep. */
  readonly at: string;
}

/**
 * What a sweep that has seen everything does not find of the nodes of each profile, and of those whose profile is no more.
 *
 *   one sweep: not listed ──► missingSince      the next: not listed ──► asked by name ──► gone: retire-node
 *                                                         listed ──► taken back
 */
export function goneOf(
  records: Iterable<LedgerItem>,
  { swept, known }: { swept: readonly string[]; known: readonly string[] },
  seen: Seen,
): Gone[] {
  const nodes = [...records].filter((record) => hasSomethingToRetire(record, seen.at));
  const nodesOf = Map.groupBy(nodes, ({ profile }) => profile ?? '');
  // Only a complete sweep of all profiles can tell that a node of no profile is not listed.
  const orphaned = swept.length === known.length ? [...nodesOf.keys()].filter((name) => !known.includes(name)) : [];
  return [
    ...swept.map((name) => ({ profile: name, isOrphaned: false, ...missingOf(nodesOf.get(name) ?? [], seen) })),
    ...orphaned.map((name) => ({ profile: name, isOrphaned: true, ...missingOf(nodesOf.get(name) ?? [], seen) })),
  ];
}

function missingOf(own: readonly LedgerItem[], { seen, at }: Seen): Omit<Gone, 'profile' | 'isOrphaned'> {
  // A sweep that follows at once, or is a retry, is not a second look.
  const byAnEarlier = ({ missingSince }: LedgerItem) => secondsUntilConfirmed(missingSince, at) === 0;
  const { true: listed = [], false: unlisted = [] } = Object.groupBy(own, ({ instance }) => `${seen.has(instance)}`);
  return {
    nodes: own.length,
    missing: unlisted.filter((record) => !byAnEarlier(record)),
    stillMissing: unlisted.filter(byAnEarlier),
    seenAgain: listed.filter(({ missingSince }) => missingSince !== undefined),
  };
}

/**
 * An enrolment may wait for days for the agent of an instance that is gone: the retirement stops it. A retirement that runs
 * is left alone.
 */
function hasSomethingToRetire(record: LedgerItem, at: string): boolean {
  return record.status !== 'retired' && !isBeingRetired(record, at);
}

const DEFAULT_MOST = 10;
const DEFAULT_SHARE = 0.05;

/** How many nodes of a profile may be gone at once; of a small profile still one. */
function mostGone(nodes: number, maxRetirements: number | undefined): number {
  return maxRetirements ?? Math.min(DEFAULT_MOST, Math.max(1, Math.floor(nodes * DEFAULT_SHARE)));
}

export function countOf(some: readonly Gone[]): number {
  return some.reduce((sum, { missing, stillMissing }) => sum + missing.length + stillMissing.length, 0);
}

/**
 * Why none of the missing nodes may be retired: too many are missing at once, which is also what a service that returns
 * empty lists looks like. Undefined if the number is plausible.
 * @param before how many of others are missing in the same sweep
 */
export function whyTooMany(all: readonly Gone[], maxRetirements: number | undefined, before = 0): string | undefined {
  const most = maxRetirements ?? DEFAULT_MOST;
  const missing = all.filter((gone) => countOf([gone]) > 0);
  const over = missing.filter((gone) => countOf([gone]) > mostGone(gone.nodes, maxRetirements));
  if (missing.length === 0 || (over.length === 0 && before + countOf(missing) <= most)) return undefined;
  const counts = (over.length > 0 ? over : missing).map(
    (gone) =>
      `${countOf([gone])} of ${gone.nodes} of ${labelOf(gone)} (at most ${mostGone(gone.nodes, maxRetirements)})`,
  );
  return (
    `Too many nodes have disappeared at once: ${counts.join(', ')}; at most ${most} a sweep. ` +
    'None of them is retired. If they are gone for good, set sweep.maxRetirements in profiles.yml to their number; if no ' +
    'profile matches them any more, have one match them again, or retire them by hand.'
  );
}

function labelOf({ profile, isOrphaned }: Gone): string {
  return isOrphaned ? `${profile || 'no profile'}, which is no profile any more` : profile;
}
