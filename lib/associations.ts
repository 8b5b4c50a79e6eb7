import { traitsOf } from './engines.ts';
import type { LedgerAssociation, LedgerItem } from './ledger-item.ts';
import type { Associate } from './servers.ts';

/**
 * What the ledger records of a node at each configuration server, by the server's identity.
 *
 *   (nothing) ──► asked ──► confirmed ──► undone
 *                   ├─────► refused            is never undone: what the server has there is not ours
 *                   └───────────────────► undone
 */
export type Associations = Readonly<Record<string, LedgerAssociation>>;

/** The key of a server's association. */
export function serverId(server: Associate): string {
  return traitsOf(server).serverId;
}

/**
 * The associations of an item; an item from before they were recorded one by one has those that its other attributes
 * prove.
 */
export function associationsOf(item: LedgerItem | undefined): Associations {
  if (!item) return {};
  if (item.associations) return item.associations;
  const { associate, publicKeyFingerprint = null, nodeName = item.instance } = item;
  // A key was bound before a node was ever presented to a server, except to one that needs none.
  if (!associate || (publicKeyFingerprint === null && traitsOf(associate).nodeKey !== null)) return {};
  const at = item.endedAt ?? item.claimedAt;
  return {
    [serverId(associate)]: { server: associate, nodeName, status: statusBefore(item), publicKeyFingerprint, at },
  };
}

function statusBefore({ status, errorName }: LedgerItem): LedgerAssociation['status'] {
  if (status === 'retired') return 'undone';
  if (status === 'enrolled') return 'confirmed';
  return errorName === 'AssociationFailed' ? 'refused' : 'asked';
}

/** Those that may still be at their servers, and are ours. */
export function toBeUndone(associations: Associations): [id: string, association: LedgerAssociation][] {
  return Object.entries(associations).filter(([, { status }]) => status === 'asked' || status === 'confirmed');
}

/**
 * Those at other servers than the one that the node has moved to, once that one has confirmed it; all of them if it was
 * last enrolled with no server (null).
 */
export function toBeLeft(item: LedgerItem): [id: string, association: LedgerAssociation][] {
  const associations = associationsOf(item);
  if (item.associate === undefined) return [];
  if (item.associate === null) return toBeUndone(associations);
  const current = serverId(item.associate);
  return associations[current]?.status === 'confirmed' ? toBeUndone(associations).filter(([id]) => id !== current) : [];
}
