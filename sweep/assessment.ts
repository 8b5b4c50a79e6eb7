import { NOT_YET } from '../lib/errors.ts';
import { complies, type Found, type Instance } from '../lib/instance.ts';
import { isSameInstance, type LedgerItem } from '../lib/ledger-item.ts';
import type { Exemption, Profile } from '../lib/profile.ts';
import { type Drift, driftOf, formerServers, isAnothers, onFormerServer } from '../profiles/drift.ts';
import { type Exemptions, exemptionsOf, exemptParts, withoutExempted } from '../profiles/exemptions.ts';
import { closesImdsV1 } from '../profiles/imdsv1.ts';
import { identityFrom, isAssociationWanted } from '../profiles/plan.ts';
import { profileVersion } from '../profiles/version.ts';

/** How a running instance compares with the profile that matches it. */
export interface Assessment {
  /** `as-wanted`: nothing to do; `under-way`: an execution works on it. The others are findings of the report. */
  readonly is:
    | 'as-wanted'
    | 'under-way'
    | 'drifting'
    | 'still-on-imdsv1'
    | 'on-former-server'
    | 'exempt'
    | 'failed'
    | 'unknown';
  readonly reason: string;
  readonly drift: Drift;
  readonly exempt: Exemptions;
  readonly isEnrolled: boolean;
  readonly isHardened: boolean;
  /** Whether its profile asks for more than metadata options: a stack, or a server. */
  readonly isMoreAsked: boolean;
}

/** What instances are assessed against. */
export interface Policy {
  readonly profile: Profile;
  readonly exemptions: readonly Exemption[];
  /** The instant of the sweep. */
  readonly at: string;
}

/** Only running instances are assessed. A stopped, starting or terminating instance is left alone. */
export function isAssessed({ state }: Found): boolean {
  return state === 'running';
}

export function assess(
  instance: Instance,
  record: LedgerItem | undefined,
  { profile, exemptions, at }: Policy,
): Assessment {
  const exempt = exemptionsOf(exemptions, instance, at);
  const asked = withoutExempted(profile, exempt);
  const isAssociated = isAssociationWanted(instance, asked, false);
  const isMoreAsked = isAssociated || identityFrom(instance, asked, false) !== 'none';
  const mayMove = profile.move === true && (isAssociated || !profile.associate);
  const drift = driftOf(instance, record, { profile, exempt, isAssociated, mayMove });
  const isHardened = !profile.metadata || complies(instance.metadataOptions, profile.metadata);
  const known = { drift, exempt, isHardened, isMoreAsked, isEnrolled: drift.enrolment === null };
  return { ...known, ...whatItIs(instance, record, known, { profile, exemptions, at }) };
}

function whatItIs(
  instance: Instance,
  record: LedgerItem | undefined,
  { drift, exempt }: Pick<Assessment, 'drift' | 'exempt'>,
  { profile, at }: Policy,
): Pick<Assessment, 'is' | 'reason'> {
  if (isUnderWay(instance, record, at)) return { is: 'under-way', reason: '' };
  if (record && isAnothers(record, instance)) return { is: 'unknown', reason: ANOTHERS };
  const same = record && isSameInstance(record, instance) ? record : undefined;
  if (same?.status === 'retired' || same?.status === 'retiring') return { is: 'unknown', reason: whyNotAgain(same) };
  const reason = [drift.enrolment, drift.metadata].filter(Boolean).join(' ');
  if (!reason) {
    if (same && !exempt.association && formerServers(same, profile).length > 0)
      return { is: 'on-former-server', reason: `${onFormerServer(same, profile)} ${LEFT_THERE}` };
    if (same?.metadataUnsupported && isLeftOpen(instance, profile, exempt))
      return { is: 'still-on-imdsv1', reason: `IMDSv1 stays open on it: ${same.metadataUnsupported}` };
    const parts = exemptParts(profile, exempt);
    return parts.length === 0 ? { is: 'as-wanted', reason } : { is: 'exempt', reason: exemptFrom(parts, exempt) };
  }
  if (same?.status === 'failed' && !hasCauseGone(same, instance, profile))
    return { is: 'failed', reason: whyFailed(same) };
  return { is: 'drifting', reason };
}

/** Whether IMDSv1 is open although its profile closes it and no exemption says otherwise. */
function isLeftOpen({ metadataOptions }: Instance, { metadata }: Profile, exempt: Exemptions): boolean {
  return metadata !== undefined && !exempt.imdsv2 && closesImdsV1(metadataOptions, metadata);
}

/** Longer than EventBridge takes to deliver a launch's event and an execution to claim the instance. */
const ANNOUNCED_WITHIN_MINUTES = 3;
/** A little more than the TimeoutSeconds of enrol-node, so no execution runs longer. */
export const LONGEST_ENROLMENT_HOURS = 51;

/** Whether it is being enrolled or retired, or was just launched and its event is still on its way. */
function isUnderWay({ launchTime }: Instance, record: LedgerItem | undefined, at: string): boolean {
  if (!record) return launchTime !== null && minutesSince(launchTime, at) < ANNOUNCED_WITHIN_MINUTES;
  if (record.status === 'enrolling') return minutesSince(record.claimedAt, at) < LONGEST_ENROLMENT_HOURS * 60;
  return isBeingRetired(record, at);
}

/**
 * A failed retirement records its error and is over. One without an error after a day may have been stopped by a person.
 * Starting another is harmless: if the first still runs, the second leaves the instance to it.
 */
export function isBeingRetired(record: LedgerItem, at: string): boolean {
  return isRetirementOpen(record) && minutesSince(record.claimedAt, at) < 24 * 60;
}

/** Whether an instance, or the key of its former root volume, is being retired as far as the ledger tells. */
export function isRetirementOpen({ status, lastError, endedAt }: LedgerItem): boolean {
  const isOpen = status === 'retiring' || (status === 're-imaging' && endedAt === undefined);
  return isOpen && lastError === undefined;
}

function minutesSince(instant: string, at: string): number {
  return (Date.parse(at) - Date.parse(instant)) / 60_000;
}

const LEFT_THERE = 'It stays there: start enrol-node by hand to move it, or set move: true in the profile.';

const ANOTHERS =
  'Its name belonged to another instance, which is still on its servers: that one is retired first, and a later sweep enrols this one.';

function whyNotAgain({ status, endedAt, lastError }: LedgerItem): string {
  const what =
    status === 'retired'
      ? `It was retired at ${endedAt}`
      : `Its retirement failed (${lastError ?? 'no error was recorded'})`;
  return `${what} and still runs: start enrol-node by hand if it is to be enrolled again.`;
}

function exemptFrom(parts: readonly (keyof Exemptions)[], exempt: Exemptions): string {
  const reasons = parts.map((part) => `${part}: ${exempt[part]?.reason} (${exempt[part]?.owner})`);
  return `It is exempt from ${reasons.join('; ')}`;
}

/** Of an enrolment whose execution was stopped, or has died. */
export const EXECUTION_ENDED = 'ExecutionEnded';

/** Failures that may resolve on their own: we timed out waiting, or the launch ended first. */
const MAY_RESOLVE = [...NOT_YET, 'DeadlinePassed', 'LaunchDecided', 'InstanceGone', EXECUTION_ENDED];

function hasCauseGone(record: LedgerItem, { rootVolume }: Instance, profile: Profile): boolean {
  const { errorName, endedAt, profileVersion: failedWith } = record;
  const isOnNewDisk = Date.parse(rootVolume?.attachedAt ?? '') > Date.parse(endedAt ?? '');
  return isOnNewDisk || failedWith !== profileVersion(profile) || MAY_RESOLVE.some((name) => name === errorName);
}

function whyFailed({ lastError }: LedgerItem): string {
  return `${lastError ?? 'Its enrolment failed.'} Fix this and start enrol-node by hand, or change its profile.`;
}
