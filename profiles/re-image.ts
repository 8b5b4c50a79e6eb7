/** What is known of an instance's disk: whether its key is still the one that is bound, and whether another may be bound. */
import { associationsOf, toBeUndone } from '../lib/associations.ts';
import { InstanceNotReady } from '../lib/errors.ts';
import type { GroupMember, Instance } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import { isReplacing } from '../lib/lifecycle-state.ts';
import type { Register } from '../lib/profile.ts';
import { secondsBetween } from './waiting.ts';

/**
 *   same      the root volume whose key is bound, as far as the control plane and the ledger tell
 *   late      EC2 has replaced it, and still shows the former one
 *   replaced  proved: EC2 has replaced it since the key was bound, and another one is attached
 *   other     another one is attached, and EC2 has not said that it replaced the former one: that proves nothing
 */
export type Disk = 'same' | 'late' | 'replaced' | 'other';

type BoundDisk = Pick<LedgerItem, 'rootVolumeId' | 'rootVolumeSeenAt' | 'claimedAt' | 'endedAt'>;
type ShownDisk = Pick<Instance, 'rootVolume' | 'replacedAt'>;

export function diskOf(item: BoundDisk | undefined, { rootVolume, replacedAt }: ShownDisk): Disk {
  if (!item || !rootVolume) return 'same';
  const { rootVolumeId, rootVolumeSeenAt = item.endedAt ?? item.claimedAt } = item;
  const isReplaced = replacedAt !== null && isAfter(replacedAt, rootVolumeSeenAt);
  // Of a key from before root volumes were recorded, nothing tells which disk it was on.
  if (rootVolumeId === undefined) return isReplaced ? 'other' : 'same';
  if (rootVolume.id !== rootVolumeId) return isReplaced ? 'replaced' : 'other';
  // The former volume was attached again by hand, unless EC2 shows how it was before the replacement.
  const isBefore = rootVolume.attachedAt === null || isAfter(replacedAt ?? '', rootVolume.attachedAt);
  return isReplaced && isBefore ? 'late' : 'same';
}

function isAfter(one: string, other: string): boolean {
  return Date.parse(one) > Date.parse(other);
}

/** EC2 can show for minutes how things were before: what it does not show counts as absent after so long. */
const ABSENCE_SECONDS = 5 * 60;

/** Whether a view of EC2's may be as old as the instant. */
export function mayBeLate(instant: string, now: string): boolean {
  return secondsBetween(instant, now) < ABSENCE_SECONDS;
}

interface DiskFacts {
  readonly instance: Instance;
  readonly item: LedgerItem | undefined;
  readonly member: GroupMember | undefined;
  /** When an event announced the end of a replacement; null where none did. */
  readonly reImageAnnouncedAt: string | null;
  readonly now: string;
}

/**
 * An empty disk must not pass for the one that is enrolled.
 * @throws InstanceNotReady while the root volume is being replaced, or EC2 may not show yet that it was
 */
export function requireDiskShown({ instance, item, member, reImageAnnouncedAt, now }: DiskFacts): void {
  const { instanceId, rootVolume } = instance;
  if (isReplacing(member?.lifecycleState))
    throw new InstanceNotReady(
      `${instanceId} is ${member?.lifecycleState}: it can be enrolled on its new root volume.`,
    );
  const disk = diskOf(item, instance);
  if (disk === 'late')
    throw new InstanceNotReady(
      `EC2 replaced the root volume of ${instanceId} at ${instance.replacedAt}, and still shows ${rootVolume?.id}.`,
    );
  const since = item && disk === 'same' && rootVolume ? expectedSince(item, reImageAnnouncedAt) : null;
  if (since === null || !mayBeLate(since, now)) return;
  throw new InstanceNotReady(
    `The root volume of ${instanceId} was to be replaced at ${since}, and EC2 still shows ${rootVolume?.id}.`,
  );
}

/** Since when another root volume is expected; null where none is. */
function expectedSince(item: LedgerItem, reImageAnnouncedAt: string | null): string | null {
  if (item.status === 're-imaging') return item.endedAt ?? item.claimedAt;
  const seenAt = item.rootVolumeSeenAt ?? item.endedAt ?? item.claimedAt;
  return reImageAnnouncedAt !== null && isAfter(reImageAnnouncedAt, seenAt) ? reImageAnnouncedAt : null;
}

/** Whether something was done for the key that is bound, and has not been undone. */
export function hasSomethingToUndo(item: LedgerItem): boolean {
  if (item.status === 're-imaging' && item.endedAt !== undefined) return false;
  return toBeUndone(associationsOf(item)).length > 0 || ourRegistration(item) !== null;
}

/** The stack in which we registered the instance. Before an attempt, `registeringUntil` is recorded. */
export function ourRegistration({ register, registeredBy, registeringUntil }: LedgerItem): Register | null {
  const isOurs = registeredBy === undefined ? registeringUntil !== undefined : registeredBy === 'muster';
  return (isOurs && register) || null;
}

/** The keys that are never bound again once the key that is bound now is retired. */
export function retiredKeysWith({ retiredKeys = [], publicKeyFingerprint }: LedgerItem): string[] {
  return [...new Set([...retiredKeys, ...(publicKeyFingerprint === undefined ? [] : [publicKeyFingerprint])])];
}

/** What the decision about a key depends on that is not the bound one on the bound volume. */
export interface BindingFacts {
  /** The ledger item, which has another key or another root volume. */
  readonly item: LedgerItem;
  readonly publicKeyFingerprint: string;
  /** As EC2 shows it after the node has shown its key. */
  readonly disk: Disk;
  /** Whether EC2 is replacing the root volume now. */
  readonly isUnderWay: boolean;
  /** Whether the root volume was attached so lately that EC2 may not show yet that it is a replacement. */
  readonly mayBeLate: boolean;
}

export type BindingDecision = 'keep' | 'rebind' | 'not-yet' | 'another-key' | 'retired-key';

/**
 * Decides whether the key is bound. The first key wins until the control plane proves that its disk was replaced:
 *
 *                                   the bound key   a retired key   any other key
 *   a replacement is under way        not yet         not yet         not yet
 *   late                              not yet         not yet         not yet
 *   same                              keep            another key     another key
 *   other, for some minutes           not yet         not yet         not yet
 *   other, then                       keep            retired key     another key
 *   replaced                          retired key     retired key     REBIND
 *
 * A replacement from a snapshot brings the former key back; so does a volume that was attached before. That key was retired
 * with its disk. Where no key is bound, any key but a retired one is the first.
 */
export function decideBinding(facts: BindingFacts): BindingDecision {
  const { item, publicKeyFingerprint: shown, disk, isUnderWay } = facts;
  if (isUnderWay || disk === 'late' || (disk === 'other' && facts.mayBeLate)) return 'not-yet';
  const { publicKeyFingerprint: bound = shown, retiredKeys = [] } = item;
  const isRetired = retiredKeys.includes(shown);
  if (disk === 'same') return bound === shown ? 'keep' : 'another-key';
  if (isRetired) return 'retired-key';
  if (disk === 'other') return bound === shown ? 'keep' : 'another-key';
  if (item.publicKeyFingerprint === undefined) return 'keep';
  return bound === shown ? 'retired-key' : 'rebind';
}
