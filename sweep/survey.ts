import { type Found, type Instance, ledgerKey } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import { type Profile, regionsOf } from '../lib/profile.ts';
import { isSameInstance } from '../profiles/drift.ts';
import { matchProfile } from '../profiles/match.ts';
import { type Assessment, assess, isAssessed, type Policy } from './assessment.ts';
import type { FleetMember } from './canary.ts';
import type { ProfileSummary, ReportRow } from './report.ts';
import { rowOf } from './row.ts';

/** An instance that drifts, or whose launch may not be finished: an enrolment of it may be started. */
export interface Candidate {
  readonly instance: Instance;
  readonly record: LedgerItem | undefined;
  readonly profile: Profile;
  readonly assessment: Assessment;
}

type Counts = ProfileSummary['counts'];

/** The instances of one profile, collected page by page. */
export class Survey {
  readonly profile: Profile;
  readonly regions: readonly string[];
  readonly counts: Counts = { ...NONE };
  readonly candidates: Candidate[] = [];
  /** Every instance, stopped ones too, that is not exempt from hardening. */
  readonly members: Pick<FleetMember, 'instance' | 'record'>[] = [];
  /** Instances that do not comply and are left alone. */
  readonly rows: ReportRow[] = [];
  /** Why the survey is incomplete: a sentence. Null if it is complete. */
  stoppedBecause: string | null = null;
  readonly #policy: Policy;
  readonly #profiles: readonly Profile[];
  readonly #home: string;
  readonly #records: ReadonlyMap<string, LedgerItem>;
  readonly #seen = new Set<string>();

  /**
   * @param profiles all profiles: the first that matches an instance decides
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
    const assessment = assess(instance, record, this.#policy);
    this.#join(instance, record, assessment);
    if (!isAssessed(found)) return;
    this.#count(assessment);
    if (assessment.is === 'drifting' || assessment.is === 'unfinished')
      this.candidates.push({ instance, record, profile: this.profile, assessment });
    else if (assessment.is !== 'as-wanted' && assessment.is !== 'under-way')
      this.rows.push(rowOf(instance, this.profile, assessment, { finding: assessment.is }));
  }

  /** The ledger items of instances that the profile hardened and that are not listed any more. */
  hardenedAndGone(): LedgerItem[] {
    return [...this.#records.values()].filter(
      ({ instance, profile, hardenedAt }) =>
        hardenedAt !== undefined && profile === this.profile.name && !this.#seen.has(instance),
    );
  }

  #join(instance: Instance, record: LedgerItem | undefined, { exempt }: Assessment): void {
    if (!this.profile.metadata) return;
    const own = record && isSameInstance(record, instance) ? record : null;
    if (own) this.#seen.add(own.instance);
    if (!exempt.imdsv2) this.members.push({ instance, record: own });
  }

  /** For a candidate that turns out to be leaving its group. */
  countAsUnderWay(): void {
    this.counts.underWay++;
  }

  #count({ is, isEnrolled, isHardened }: Assessment): void {
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
