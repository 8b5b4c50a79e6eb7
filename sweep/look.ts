import { NOT_YET } from '../lib/errors.ts';
import { complies, type Found, type Instance } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { Exemption, Profile } from '../lib/profile.ts';
import { type Drift, driftOf, isAnothers, isSameInstance } from '../profiles/drift.ts';
import { type Exemptions, exemptionsOf, exemptParts, withoutExempted } from '../profiles/exemptions.ts';
import { identityFrom, isAssociationWanted } from '../profiles/plan.ts';
import { profileVersion } from '../profiles/version.ts';

/** What a sweep makes of an instance that its profile matches and that runs. */
export interface Look {
  /**
   * `as-wanted`: there is nothing to say of it; `unfinished`: nor of that, unless its launch still waits; `under-way`:
   * somebody is at it. The others are the report's words.
   */
  readonly is: 'as-wanted' | 'unfinished' | 'under-way' | 'drifting' | 'exempt' | 'failed' | 'unknown';
  readonly reason: string;
  readonly drift: Drift;
  readonly exempt: Exemptions;
  readonly isEnrolled: boolean;
  readonly isHardened: boolean;
  /** Whether its profile asks for more than metadata options: a stack, or a server. */
  readonly isMoreAsked: boolean;
}

/** What it looks with. */
export interface Policy {
  readonly profile: Profile;
  readonly exemptions: readonly Exemption[];
  /** The instant of the sweep. */
  readonly at: string;
}

/** Only what runs is looked at: what is stopped, starting or going is nobody's to touch. */
export function isToBeLookedAt({ state }: Found): boolean {
  return state === 'running';
}

export function lookAt(instance: Instance, record: LedgerItem | undefined, { profile, exemptions, at }: Policy): Look {
  const exempt = exemptionsOf(exemptions, instance, at);
  const asked = withoutExempted(profile, exempt);
  const isAssociated = isAssociationWanted(instance, asked, false);
  const isMoreAsked = isAssociated || identityFrom(instance, asked, false) !== 'none';
  const drift = driftOf(instance, record, { profile, exempt, isAssociated });
  const isHardened = !profile.metadata || complies(instance.metadataOptions, profile.metadata);
  const known = { drift, exempt, isHardened, isMoreAsked, isEnrolled: drift.enrolment === null };
  return { ...known, ...whatItIs(instance, record, known, { profile, exemptions, at }) };
}

function whatItIs(
  instance: Instance,
  record: LedgerItem | undefined,
  { drift, exempt }: Pick<Look, 'drift' | 'exempt'>,
  { profile, at }: Policy,
): Pick<Look, 'is' | 'reason'> {
  if (isUnderWay(instance, record, at)) return { is: 'under-way', reason: '' };
  if (record && isAnothers(record, instance)) return { is: 'unknown', reason: ANOTHERS };
  const same = record && isSameInstance(record, instance) ? record : undefined;
  if (same?.status === 'retired' || same?.status === 'retiring') return { is: 'unknown', reason: whyNotAgain(same) };
  const reason = [drift.enrolment, drift.metadata].filter(Boolean).join(' ');
  if (!reason) {
    if (same && isLaunchUnfinished(same, profile))
      return { is: 'unfinished', reason: `It is enrolled: ${same.lastError}` };
    const parts = exemptParts(profile, exempt);
    return parts.length === 0 ? { is: 'as-wanted', reason } : { is: 'exempt', reason: exemptFrom(parts, exempt) };
  }
  if (same?.status === 'failed' && !hasCauseGone(same, profile)) return { is: 'failed', reason: whyFailed(same) };
  return { is: 'drifting', reason };
}

/** Longer than EventBridge takes to bring a launch's event, and than an execution takes to claim its instance. */
const ANNOUNCED_WITHIN_MINUTES = 3;
/** No execution of enrol-node runs longer: its TimeoutSeconds, and some. */
export const LONGEST_ENROLMENT_HOURS = 51;

/** Being enrolled or retired, or just launched: then its event is about to be answered. */
function isUnderWay({ launchTime }: Instance, record: LedgerItem | undefined, at: string): boolean {
  if (!record) return launchTime !== null && minutesSince(launchTime, at) < ANNOUNCED_WITHIN_MINUTES;
  if (record.status === 'enrolling') return minutesSince(record.claimedAt, at) < LONGEST_ENROLMENT_HOURS * 60;
  return isBeingRetired(record, at);
}

/**
 * A retirement that has failed says why, and is over. One that says nothing for a day may have been stopped by a person: to
 * start another one is harmless, for it leaves the instance to one that still runs.
 */
export function isBeingRetired({ status, lastError, claimedAt }: LedgerItem, at: string): boolean {
  return status === 'retiring' && lastError === undefined && minutesSince(claimedAt, at) < 24 * 60;
}

/** Its enrolment had failed only at the very last: it is enrolled, and its launch may wait for somebody to complete it. */
function isLaunchUnfinished({ lastError, autoScalingGroupName }: LedgerItem, { lifecycleHook }: Profile): boolean {
  return lastError !== undefined && autoScalingGroupName != null && lifecycleHook !== undefined;
}

function minutesSince(instant: string, at: string): number {
  return (Date.parse(at) - Date.parse(instant)) / 60_000;
}

const ANOTHERS =
  'Another instance had its name before, and its servers still know that one by it: it is retired first, and enrolled by a later sweep.';

function whyNotAgain({ status, endedAt, lastError }: LedgerItem): string {
  const what =
    status === 'retired'
      ? `It was retired at ${endedAt}`
      : `Its retirement failed (${lastError ?? 'it does not say why'})`;
  return `${what} and still runs: start enrol-node by hand if it is to be enrolled again.`;
}

function exemptFrom(parts: readonly (keyof Exemptions)[], exempt: Exemptions): string {
  const told = parts.map((part) => `${part}: ${exempt[part]?.reason} (${exempt[part]?.owner})`);
  return `It is exempt from ${told.join('; ')}`;
}

/** A failure that passes by itself: it was waited for in vain, or the launch did not wait for it. */
const PASSES_BY_ITSELF = [...NOT_YET, 'DeadlinePassed', 'LaunchDecided', 'InstanceGone'];

function hasCauseGone({ errorName, profileVersion: failedWith }: LedgerItem, profile: Profile): boolean {
  return failedWith !== profileVersion(profile) || PASSES_BY_ITSELF.some((name) => name === errorName);
}

function whyFailed({ lastError }: LedgerItem): string {
  return `${lastError ?? 'Its enrolment failed.'} Mend this and start enrol-node by hand, or change its profile.`;
}
