import { type Found, type Instance, ledgerKey } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import { type Profile, regionsOf } from '../lib/profile.ts';
import { isSameInstance } from '../profiles/drift.ts';
import { matchProfile } from '../profiles/match.ts';
import type { FleetMember } from './canary.ts';
import { isToBeLookedAt, type Look, lookAt, type Policy } from './look.ts';
import type { ProfileSummary, ReportRow } from './report.ts';
import { rowOf } from './row.ts';

/** An instance that drifts, or whose launch may not be finished: an enrolment of it may be started. */
export interface Candidate {
  readonly instance: Instance;
  readonly record: LedgerItem | undefined;
  readonly profile: Profile;
  readonly look: Look;
}

type Counts = ProfileSummary['counts'];

/** What a sweep has found of one profile's instances, page by page. */
export class Survey {
  readonly profile: Profile;
  readonly regions: readonly string[];
  readonly counts: Counts = { ...NONE };
  readonly candidates: Candidate[] = [];
  /** Whose metadata options are the profile's business: all that are there and are not exempt, stopped ones too. */
  readonly members: Pick<FleetMember, 'instance' | 'record'>[] = [];
  /** Whatever is not as it should be and is left as it is. */
  readonly rows: ReportRow[] = [];
  /** Why not all of it could be looked at: a sentence. */
  stoppedBecause: string | null = null;
  readonly #policy: Policy;
  readonly #profiles: readonly Profile[];
  readonly #home: string;
  readonly #records: ReadonlyMap<string, LedgerItem>;
  readonly #seen = new Set<string>();

  /**
   * @param profiles all of them: an instance is the first's that matches it
   * @param home the stack's own Region
   */
  constructor(policy: Policy, profiles: readonly Profile[], home: string, records: ReadonlyMap<string, LedgerItem>) {
    this.profile = policy.profile;
    this.regions = regionsOf(policy.profile, home);
    this.#policy = policy;
    this.#profiles = profiles;
    this.#home = home;
    this.#records = records;
  }

  take(found: Found): void {
    const { instance, state } = found;
    if (state === 'terminated' || matchProfile(this.#profiles, instance, this.#home)?.name !== this.profile.name)
      return;
    const record = this.#records.get(ledgerKey(instance));
    const look = lookAt(instance, record, this.#policy);
    this.#join(instance, record, look);
    if (!isToBeLookedAt(found)) return;
    this.#count(look);
    if (look.is === 'drifting' || look.is === 'unfinished')
      this.candidates.push({ instance, record, profile: this.profile, look });
    else if (look.is !== 'as-wanted' && look.is !== 'under-way')
      this.rows.push(rowOf(instance, this.profile, look, { finding: look.is }));
  }

  /** The ledger's items of those whom the profile has hardened, and who are listed no more. */
  hardenedAndGone(): LedgerItem[] {
    return [...this.#records.values()].filter(
      ({ instance, profile, hardenedAt }) =>
        hardenedAt !== undefined && profile === this.profile.name && !this.#seen.has(instance),
    );
  }

  #join(instance: Instance, record: LedgerItem | undefined, { exempt }: Look): void {
    if (!this.profile.metadata) return;
    const own = record && isSameInstance(record, instance) ? record : null;
    if (own) this.#seen.add(own.instance);
    if (!exempt.imdsv2) this.members.push({ instance, record: own });
  }

  /** For a candidate that turns out to be on its way out of its group. */
  countAsUnderWay(): void {
    this.counts.underWay++;
  }

  #count({ is, isEnrolled, isHardened }: Look): void {
    this.counts.instances++;
    if (isEnrolled) this.counts.enrolled++;
    if (isHardened) this.counts.hardened++;
    if (is === 'under-way') this.counts.underWay++;
  }
}

const NONE: Counts = {
  instances: 0,
  enrolled: 0,
  hardened: 0,
  underWay: 0,
  drifting: 0,
  stillOnImdsV1: 0,
  exempt: 0,
  failed: 0,
  gone: 0,
};
