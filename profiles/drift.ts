import { associationsOf, serverId } from '../lib/associations.ts';
import { needsKey, traitsOf } from '../lib/engines.ts';
import { complies, type Instance } from '../lib/instance.ts';
import { isSameInstance, type LedgerItem } from '../lib/ledger-item.ts';
import type { Profile } from '../lib/profile.ts';
import type { Associate } from '../lib/servers.ts';
import { type Exemptions, isMoreWanted, withoutExempted } from './exemptions.ts';
import { diskOf } from './re-image.ts';
import { profileVersion } from './version.ts';

/** In what way an instance is not as its profile says: a sentence each, null where it is. */
export interface Drift {
  /** It is to be enrolled. */
  readonly enrolment: string | null;
  /** Its metadata options are to be changed. */
  readonly metadata: string | null;
}

/** What the instance must agree with. */
export interface Standard {
  readonly profile: Profile;
  readonly exempt: Exemptions;
  /** Whether an enrolment would associate it: without a CSR a Lightsail instance may only be hardened. */
  readonly isAssociated: boolean;
  /** Whether an enrolment may take a node to another server than the one that has it. */
  readonly mayMove: boolean;
}

/**
 * Holds an instance and what the ledger says of it against its profile. A launch and a sweep both ask here, so what the
 * one has done the other does not do again.
 */
export function driftOf(instance: Instance, record: LedgerItem | undefined, standard: Standard): Drift {
  return {
    enrolment: whyNotEnrolled(instance, record, standard),
    metadata: whyNotHardened(instance, record, standard),
  };
}

function whyNotEnrolled(
  instance: Instance,
  record: LedgerItem | undefined,
  { profile, exempt, isAssociated, mayMove }: Standard,
): string | null {
  if (!record) return 'It is not in the ledger: it was never enrolled.';
  if (!isSameInstance(record, instance))
    return `It was launched at ${instance.launchTime}; who had its name before was enrolled.`;
  if (record.status === 're-imaging') return 'The key of its former root volume is retired.';
  if (record.status === 'enrolled' && isOnAnotherDisk(record, instance))
    return `Its root volume is ${instance.rootVolume?.id}, and it was enrolled on ${record.rootVolumeId ?? 'a former one'}.`;
  const isElsewhere = !exempt.association && formerServers(record, profile).length > 0;
  if (isElsewhere) return mayMove ? onFormerServer(record, profile) : null;
  if (record.status !== 'enrolled') return `It is not enrolled: its status is "${record.status}".`;
  if (record.profile !== profile.name) return `It was enrolled by the profile ${record.profile}.`;
  if (record.profileVersion !== profileVersion(profile)) return 'Its profile has changed since it was enrolled.';
  if (
    isMoreWanted(
      record.exempt?.filter((part) => part === 'association'),
      exempt,
    )
  )
    return 'Its exemption from association is over.';
  // An enrolment without a CSR has only hardened; one that brings it goes further.
  if (isAssociated && !mayBeAssociated(record)) return 'It was hardened and never associated.';
  return null;
}

function isOnAnotherDisk(record: LedgerItem, instance: Instance): boolean {
  const disk = diskOf(record, instance);
  return disk === 'replaced' || disk === 'other';
}

/** The servers that have the node, if none of them is the one that its profile names now. */
export function formerServers(record: LedgerItem, { associate }: Pick<Profile, 'associate'>): Associate[] {
  if (record.status !== 'enrolled' && record.status !== 'failed') return [];
  const confirmed = Object.entries(associationsOf(record)).filter(([, { status }]) => status === 'confirmed');
  const current = associate && serverId(associate);
  return confirmed.some(([id]) => id === current) ? [] : confirmed.map(([, { server }]) => server);
}

/** The sentence about a node that its profile's server does not have. */
export function onFormerServer(record: LedgerItem, profile: Pick<Profile, 'name' | 'associate'>): string {
  const names = formerServers(record, profile).map((server) => traitsOf(server).displayName);
  const now = profile.associate ? traitsOf(profile.associate).displayName : 'no server';
  return `It is on ${names.join(' and ')}, and its profile ${profile.name} names ${now} now.`;
}

function whyNotHardened(
  { metadataOptions }: Instance,
  record: LedgerItem | undefined,
  { profile, exempt }: Standard,
): string | null {
  const { metadata } = withoutExempted(profile, exempt);
  if (!metadata || complies(metadataOptions, metadata)) return null;
  // Its service has refused these very options, and the profile goes on without.
  if (record?.metadataUnsupported && record.profileVersion === profileVersion(profile)) return null;
  const named = ['httpTokens', 'httpEndpoint', 'httpPutResponseHopLimit'] as const;
  const others = named.filter((name) => metadata[name] !== undefined && metadataOptions[name] !== metadata[name]);
  const sentences = others.map((name) => `${name} is ${metadataOptions[name] ?? 'not known'}, not ${metadata[name]}`);
  return `Its metadata options differ: ${sentences.join(', ')}.`;
}

/** Whether its servers know another instance by its name, which has to be retired first. */
export function isAnothers(record: LedgerItem, instance: Instance): boolean {
  return !isSameInstance(record, instance) && record.status !== 'retired' && mayBeAssociated(record);
}

/** A key is bound before a server is given the node; a server that needs no key may have it without. */
function mayBeAssociated({ publicKeyFingerprint, associate }: LedgerItem): boolean {
  return publicKeyFingerprint !== undefined || Boolean(associate && !needsKey(associate));
}
