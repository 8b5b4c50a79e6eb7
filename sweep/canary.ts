import { createHash } from 'node:crypto';
import type { Profile } from '../lib/profiles.ts';
import { type Instance, ledgerKey } from '../lib/state.ts';
import type { LedgerItem } from '../services/ledger.ts';
import { closesImdsV1, isReverted } from './imdsv1.ts';

/** A running instance of the profile's, which nobody is exempt from hardening. */
export interface FleetMember {
  readonly instance: Instance;
  /** Its own: a Lightsail name may have been another instance's before. */
  readonly record: LedgerItem | null;
  /** How many IMDSv1 calls it answered within the look-back; null where nobody knows. Asked of open ones only. */
  readonly imdsV1Calls: number | null;
}

/** How far the part of a fleet is that is hardened before the others. */
export interface CanaryFacts {
  /** The keys, in the ledger, of those who go first. */
  readonly keys: ReadonlySet<string>;
  /** Who of them is not hardened yet, or is hardened and still being enrolled. */
  readonly awaited: readonly string[];
  /** Why nobody else is to follow them: a sentence. */
  readonly stopped: string | null;
  /** When the last of them was hardened. */
  readonly hardenedAt: string | null;
}

/**
 * Who goes first: a share of those that were running when a sweep came to harden them, by a hash of their key and the
 * profile's name, so that it is the same at every sweep; and at least one, whose hash is the smallest. Whom the gate leaves
 * alone cannot go first, and nobody waits for it. An instance that was hardened at its launch proves nothing of those that
 * ran with IMDSv1, and a fleet that launches all the time would wait for ever for it: it is not counted.
 */
export function canaryFacts(profile: Profile, fleet: readonly FleetMember[]): CanaryFacts {
  const first = pick(
    profile,
    fleet.filter((member) => canGoFirst(profile, member)),
  );
  const times = first.flatMap(({ record }) => record?.hardenedAt ?? []);
  return {
    keys: new Set(first.map(({ instance }) => ledgerKey(instance))),
    awaited: first.filter((member) => !isDone(profile, member)).map(({ instance }) => instance.instanceId),
    stopped: first.map((member) => whyStopped(profile, member)).find((reason) => reason !== null) ?? null,
    hardenedAt: times.toSorted((a, b) => Date.parse(a) - Date.parse(b)).at(-1) ?? null,
  };
}

function canGoFirst(profile: Profile, { instance, record, imdsV1Calls }: FleetMember): boolean {
  const { metadata } = profile;
  if (!metadata) return false;
  if (!closesImdsV1(instance.metadataOptions, metadata)) return record?.hardenedAt !== undefined;
  if (isReverted(record, profile)) return record?.hardenedAt !== undefined;
  return imdsV1Calls === 0 && !record?.metadataUnsupported;
}

function pick({ name, metadata }: Profile, members: readonly FleetMember[]): FleetMember[] {
  const share = Number.parseInt(metadata?.canary ?? '', 10) / 100;
  const placed = members.map((member) => ({ member, place: placeOf(name, member.instance) }));
  const within = placed.filter(({ place }) => place < share);
  const [smallest] = placed.toSorted((a, b) => a.place - b.place);
  return (within.length > 0 ? within : smallest ? [smallest] : []).map(({ member }) => member);
}

/** Where the instance stands between 0 and 1. */
function placeOf(profile: string, instance: Instance): number {
  const hash = createHash('sha256')
    .update(JSON.stringify([profile, ledgerKey(instance)]))
    .digest();
  return hash.readUIntBE(0, 6) / 2 ** 48;
}

function whyStopped(profile: Profile, { instance: { instanceId }, record }: FleetMember): string | null {
  if (record?.status === 'failed')
    return `The enrolment of ${instanceId}, which goes before it, failed: ${record.lastError ?? 'its record does not say why.'}`;
  if (isReverted(record, profile))
    return `The metadata options of ${instanceId}, which was hardened before it, were put back on request. Exempt ${instanceId} from imdsv2, or change the profile ${profile.name}, to go on.`;
  return null;
}

function isDone({ metadata }: Profile, { instance, record }: FleetMember): boolean {
  return metadata !== undefined && !closesImdsV1(instance.metadataOptions, metadata) && record?.status !== 'enrolling';
}
