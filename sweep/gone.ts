import type { LedgerItem } from '../services/ledger.ts';

/** What is in the ledger and no more at its service, as far as a sweep can tell. */
export interface Gone {
  readonly profile: string;
  /** How many nodes the profile has in the ledger. */
  readonly nodes: number;
  /** Not seen, for the first time. */
  readonly missing: LedgerItem[];
  /** Not seen, and not by an earlier sweep either: to be asked for by name. */
  readonly stillMissing: LedgerItem[];
  /** Missed by an earlier sweep, and there again. */
  readonly seenAgain: LedgerItem[];
}

/**
 * What a sweep that has seen everything does not find of a profile's nodes.
 *
 *   one sweep: not listed ──► missingSince      the next: not listed ──► asked by name ──► gone: retire-node
 *                                                         listed ──► taken back
 */
export function goneOf(profile: string, records: Iterable<LedgerItem>, seen: ReadonlySet<string>): Gone {
  const own = [...records].filter((record) => record.profile === profile && hasSomethingToRetire(record));
  const { true: listed = [], false: unlisted = [] } = Object.groupBy(own, ({ instance }) => `${seen.has(instance)}`);
  return {
    profile,
    nodes: own.length,
    missing: unlisted.filter(({ missingSince }) => missingSince === undefined),
    stillMissing: unlisted.filter(({ missingSince }) => missingSince !== undefined),
    seenAgain: listed.filter(({ missingSince }) => missingSince !== undefined),
  };
}

/** Whoever enrols or retires it at this moment sees for himself that it is gone. */
function hasSomethingToRetire({ status, lastError }: LedgerItem): boolean {
  return status === 'enrolled' || status === 'failed' || (status === 'retiring' && lastError !== undefined);
}

const DEFAULT_MOST = 10;
const DEFAULT_SHARE = 0.05;

/** How many nodes of a profile may be gone at once; of a small profile still one. */
function mostGone(nodes: number, maxRetirements: number | undefined): number {
  return maxRetirements ?? Math.min(DEFAULT_MOST, Math.max(1, Math.floor(nodes * DEFAULT_SHARE)));
}

const countOf = ({ missing, stillMissing }: Gone) => missing.length + stillMissing.length;

/**
 * Says in one sentence that too much is gone at once to be true: a service that answers with empty lists looks just like
 * this. Undefined where it is not.
 */
export function whyTooMany(all: readonly Gone[], maxRetirements: number | undefined): string | undefined {
  const most = maxRetirements ?? DEFAULT_MOST;
  const sum = all.reduce((total, gone) => total + countOf(gone), 0);
  const over = all.filter((gone) => countOf(gone) > mostGone(gone.nodes, maxRetirements));
  if (over.length === 0 && sum <= most) return undefined;
  const told = (over.length > 0 ? over : all.filter((gone) => countOf(gone) > 0)).map(
    (gone) => `${countOf(gone)} of ${gone.nodes} of ${gone.profile} (at most ${mostGone(gone.nodes, maxRetirements)})`,
  );
  return (
    `More nodes have disappeared at once than is believed: ${told.join(', ')}; at most ${most} a sweep. ` +
    `Nothing is retired. If they are gone for good, set sweep.maxRetirements in profiles.yml to their number.`
  );
}
