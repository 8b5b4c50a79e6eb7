import { toBeLeft } from '../lib/associations.ts';
import { type Found, type Instance, ledgerKey } from '../lib/instance.ts';
import { isSameInstance, type LedgerItem } from '../lib/ledger-item.ts';
import type { DeployedProfile } from '../lib/profile.ts';
import { isImdsV1Open } from '../profiles/imdsv1.ts';
import { matchProfile } from '../profiles/match.ts';
import { type Assessment, assess, isAssessed, type Policy } from './assessment.ts';
import type { FleetMember } from './canary.ts';
import {
  type GroupStates,
  isBeingReImaged,
  isLeaving,
  isSetAside,
  waitsInLaunchHook,
  waitsInTerminationHook,
} from './lifecycle-state.ts';
import type { ProfileSummary, ReportRow } from './report.ts';
import { rowOf } from './row.ts';

/** An instance that drifts, or whose launch waits in our hook: an enrolment of it may be started. */
export interface Candidate {
  readonly instance: Instance;
  readonly record: LedgerItem | undefined;
  readonly profile: DeployedProfile;
  readonly assessment: Assessment;
  /** Its state in its Auto Scaling group; undefined if it is in none. */
  readonly lifecycleState: string | undefined;
}

type Counts = ProfileSummary['counts'];

/** The instances of one profile, collected page by page. */
export class Survey {
  readonly profile: DeployedProfile;
  readonly counts: Counts = { ...NONE };
  readonly candidates: Candidate[] = [];
  /** Instances whose termination waits in our hook: a retirement of each is to be started. */
  readonly terminations: Candidate[] = [];
  /** Instances that have moved to their profile's server and are still on a former one. */
  readonly moved: Candidate[] = [];
  /** Every instance, stopped ones too, that is not exempt from hardening. */
  readonly members: Pick<FleetMember, 'instance' | 'record'>[] = [];
  /** Instances that do not comply and are left alone. */
  readonly rows: ReportRow[] = [];
  /** Why the survey is incomplete: a sentence. Null if it is complete. */
  stoppedBecause: string | null = null;
  readonly #policy: Policy;
  readonly #profiles: readonly DeployedProfile[];
  readonly #records: ReadonlyMap<string, LedgerItem>;
  readonly #groups: GroupStates;
  readonly #seen = new Set<string>();

  /** @param profiles all profiles: the first that matches an instance decides */
  constructor(
    policy: Policy & Pick<Survey, 'profile'>,
    profiles: readonly DeployedProfile[],
    records: ReadonlyMap<string, LedgerItem>,
    groups: GroupStates,
  ) {
    this.profile = policy.profile;
    this.#groups = groups;
    this.#policy = policy;
    this.#profiles = profiles;
    this.#records = records;
  }

  take(found: Found): void {
    const { instance, state } = found;
    if (state === 'terminated' || matchProfile(this.#profiles, instance)?.name !== this.profile.name) return;
    const record = this.#records.get(ledgerKey(instance));
    const assessment = assess(instance, record, this.#policy);
    this.#join(instance, record, assessment);
    const lifecycleState = this.#groups.lifecycleStates.get(instance.instanceId);
    const one = { instance, record, profile: this.profile, assessment, lifecycleState };
    if (isSetAside(lifecycleState)) this.#takeSetAside(one);
    else if (isLeaving(lifecycleState) || isBeingReImaged(lifecycleState)) this.#takeLeaving(one, found);
    else if (isAssessed(found)) this.#takeRunning(one);
  }

  #takeSetAside({ instance, assessment, lifecycleState = '' }: Candidate): void {
    this.#count(instance, assessment);
    const reason = `${SET_ASIDE[lifecycleState] ?? RETAINED} (${lifecycleState}).`;
    this.rows.push(rowOf(instance, this.profile, assessment, { finding: 'retained', reason }));
  }

  /** Whatever state EC2 reports: one in the warm pool may be stopped. The key of a root volume goes as an instance does. */
  #takeLeaving(one: Candidate, found: Found): void {
    if (isAssessed(found)) this.#count(one.instance, { ...one.assessment, is: 'under-way' });
    const isOurs = this.profile.terminationHook !== undefined && waitsInTerminationHook(one.lifecycleState);
    const status = one.record?.status;
    const isRetiring = (status === 'retiring' || status === 're-imaging') && one.assessment.is === 'under-way';
    if (isOurs && !isRetiring) this.terminations.push(one);
  }

  #takeRunning(one: Candidate): void {
    const { instance, assessment } = one;
    this.#count(instance, assessment);
    const isWaiting = assessment.isEnrolled && this.profile.lifecycleHook && waitsInLaunchHook(one.lifecycleState);
    if (assessment.is === 'under-way') return;
    if (assessment.is !== 'drifting' && !isWaiting) {
      if (one.record && isEnrolledAs(one.record, instance) && toBeLeft(one.record).length > 0) this.moved.push(one);
      if (assessment.is !== 'as-wanted')
        this.rows.push(rowOf(instance, this.profile, assessment, { finding: assessment.is }));
      else if (isImdsV1Open(instance.metadataOptions))
        this.rows.push(rowOf(instance, this.profile, assessment, LEFT_OPEN));
    } else if (instance.autoScalingGroupName !== null && this.#groups.unread.has(instance.region)) {
      this.rows.push(rowOf(instance, this.profile, assessment, STATE_UNKNOWN));
    } else this.candidates.push(one);
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

  #count({ metadataOptions }: Instance, { is, isEnrolled, isHardened }: Assessment): void {
    this.counts.instances++;
    if (isImdsV1Open(metadataOptions)) this.counts.imdsV1Open++;
    if (isEnrolled) this.counts.enrolled++;
    if (isHardened) this.counts.hardened++;
    if (is === 'under-way') this.counts.underWay++;
  }
}

function isEnrolledAs(record: LedgerItem, instance: Instance): boolean {
  return record.status === 'enrolled' && isSameInstance(record, instance);
}

const RETAINED =
  'Its group keeps it running after its termination hook was abandoned, and it is billed: look at it, then terminate it';

/** What else a group keeps out of service. */
const SET_ASIDE: Readonly<Record<string, string>> = {
  'Warmed:Pending:Retained':
    'Its group keeps it after its launch into the warm pool was abandoned, and it is billed: look at it, then terminate it',
  Quarantined:
    'Its group has quarantined it and takes it out of service: look at its scaling activities, then terminate it',
};

const LEFT_OPEN = {
  finding: 'imdsv1-open',
  reason: 'IMDSv1 is open on it, and its profile does not close it: set httpTokens: required in its metadata.',
} as const;

const STATE_UNKNOWN = {
  finding: 'unknown',
  reason: 'Auto Scaling did not return its state, so it may be terminating: it is left alone.',
} as const;

const NONE: Counts = {
  instances: 0,
  enrolled: 0,
  hardened: 0,
  underWay: 0,
  imdsV1Open: 0,
  drifting: 0,
  stillOnImdsV1: 0,
  exempt: 0,
  failed: 0,
  gone: 0,
};
