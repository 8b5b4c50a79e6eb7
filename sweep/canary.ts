import { createHash } from 'node:crypto';
import { type Instance, ledgerKey } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { Profile } from '../lib/profile.ts';
import { closesImdsV1, isReverted } from '../profiles/imdsv1.ts';

/** An instance of the profile that is not exempt from hardening. */
export interface FleetMember {
  readonly instance: Instance;
  /** Its own: a Lightsail name may have been another instance's before. */
  readonly record: LedgerItem | null;
  /** How many IMDSv1 calls it answered within the look-back; null where that is unknown. Asked of open ones only. */
  readonly imdsV1Calls: number | null;
}

/** A profile's fleet, as a sweep sees it. */
export interface Fleet {
  readonly members: readonly FleetMember[];
  /** The ledger's items of those that were hardened and are listed no more. */
  readonly gone: readonly LedgerItem[];
}

/** How far the part of a fleet is that is hardened before the others. */
export interface CanaryFacts {
  /** The keys, in the ledger, of those who go first. */
  readonly keys: ReadonlySet<string>;
  /** Who of them is not hardened yet, or is hardened and still being enrolled. */
  readonly awaited: readonly string[];
  /** Why no other instance is to follow them: a sentence. */
  readonly stopped: string | null;
  /** When the last of them was hardened. */
  readonly hardenedAt: string | null;
}

/** One that goes first, or went. */
interface Forerunner {
  readonly key: string;
  /** As a sentence calls it. */
  readonly name: string;
  readonly record: LedgerItem | null;
  readonly isDone: boolean;
}

export const DAY_MILLISECONDS = 24 * 3600 * 1000;

/**
 * Who goes first: a share of those that were running when a sweep came to harden them, by a hash of their key and the
 * profile's name, so that it is the same at every sweep; and at least one, whose hash is the smallest. Whom the gate leaves
 * alone cannot go first, and no other waits for it. An instance that was hardened at its launch proves nothing of those that
 * ran with IMDSv1, and a fleet that launches all the time would wait for ever for it: it is not counted.
 *
 * An instance that has gone first counts for as long as the ledger knows it, also when it is listed no more; but one that did not
 * live through its day has proved nothing, and when that day is over, another one goes first.
 * @param at the instant of the sweep
 */
export function canaryFacts(profile: Profile, { members, gone }: Fleet, at: string): CanaryFacts {
  const first = pick(profile, [
    ...members.filter((member) => canGoFirst(profile, member)).map((member) => forerunner(profile, member)),
    ...gone.filter((record) => countsYet(record, at)).map((record) => forerunnerOf(record)),
  ]);
  const times = first.flatMap(({ record }) => record?.hardenedAt ?? []);
  return {
    keys: new Set(first.map(({ key }) => key)),
    awaited: first.filter(({ isDone }) => !isDone).map(({ name }) => name),
    stopped: first.map((one) => whyStopped(profile, one)).find((reason) => reason !== null) ?? null,
    hardenedAt: times.toSorted((a, b) => Date.parse(a) - Date.parse(b)).at(-1) ?? null,
  };
}

function canGoFirst(profile: Profile, { instance, record, imdsV1Calls }: FleetMember): boolean {
  const { metadata } = profile;
  if (!metadata) return false;
  if (!closesImdsV1(instance.metadataOptions, metadata) || isReverted(record, profile))
    return record?.hardenedAt !== undefined;
  if (imdsV1Calls !== null) return imdsV1Calls === 0 && !record?.metadataUnsupported;
  // Its calls are unknown, because it is being hardened just now, or has failed at it.
  return isFailed(record) || record?.status === 'enrolling';
}

/** Its hardening was left out: then whatever failed has shown nothing of it. */
function isFailed(record: LedgerItem | null): boolean {
  return record?.status === 'failed' && !record.exempt?.includes('imdsv2');
}

function forerunner(profile: Profile, { instance, record }: FleetMember): Forerunner {
  const { metadata } = profile;
  const isClosed = metadata !== undefined && !closesImdsV1(instance.metadataOptions, metadata);
  const isDone = isClosed && record?.status !== 'enrolling';
  return { key: ledgerKey(instance), name: instance.instanceId, record, isDone };
}

function forerunnerOf(record: LedgerItem): Forerunner {
  return { key: record.instance, name: record.instance, record, isDone: true };
}

function countsYet({ hardenedAt, goneSince, missingSince }: LedgerItem, at: string): boolean {
  if (hardenedAt === undefined) return false;
  const dayIsOver = Date.parse(hardenedAt) + DAY_MILLISECONDS;
  return Date.parse(at) < dayIsOver || Date.parse(goneSince ?? missingSince ?? at) >= dayIsOver;
}

function pick({ name, metadata }: Profile, candidates: readonly Forerunner[]): Forerunner[] {
  const share = Number.parseInt(metadata?.canary ?? '', 10) / 100;
  const placed = candidates.map((candidate) => ({ candidate, place: placeOf(name, candidate.key) }));
  const within = placed.filter(({ place }) => place < share);
  const [smallest] = placed.toSorted((a, b) => a.place - b.place);
  return (within.length > 0 ? within : smallest ? [smallest] : []).map(({ candidate }) => candidate);
}

/** Where the instance stands between 0 and 1. */
function placeOf(profile: string, key: string): number {
  const hash = createHash('sha256')
    .update(JSON.stringify([profile, key]))
    .digest();
  return hash.readUIntBE(0, 6) / 2 ** 48;
}

function whyStopped(profile: Profile, { name, record }: Forerunner): string | null {
  // What ended well stops no other instance.
  if (record?.status === 'retired') return null;
  if (isFailed(record))
    return `The enrolment of ${name}, which goes before it, failed: ${record?.lastError ?? 'its record does not say why.'}`;
  if (isReverted(record, profile))
    return `The metadata options of ${name}, which was hardened before it, were put back on request. Exempt ${name} from imdsv2, or change the profile ${profile.name}, to go on.`;
  return null;
}
