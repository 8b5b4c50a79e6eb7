import { InvalidRequest } from '../../lib/errors.ts';
import type { Instance } from '../../lib/instance.ts';
import type { Association, Disassociation, Identity } from '../../lib/state.ts';

/** A node as it is presented to a configuration server. */
export interface Node {
  readonly nodeName: string;
  /** Its addresses and tags, from the control plane. */
  readonly instance: Instance;
  /** The key that it proved; null for an engine that needs none. */
  readonly identity: Identity | null;
}

/** @throws InvalidRequest for a node without an identity */
export function provedIdentity({ nodeName, identity }: Node): Identity {
  if (identity) return identity;
  throw new InvalidRequest(`${nodeName} has not proved its key, which its server needs: start its enrolment again.`);
}

/**
 * What every engine does for a node. Each call may run twice: what is already so is a success.
 *
 * @throws from any call: ServerNotReady or Throttled (try again), ServerNotFound, PermissionDenied (never).
 */
export interface ConfigServer {
  /** Has the server take the node under its name and with its key. */
  associate(node: Node, signal: AbortSignal): Promise<Association>;
  /**
   * Asks whether the server has finished, and brings what the node needs back.
   * @throws AssociationPending while it has not; AssociationFailed when it refused.
   */
  confirm(node: Node, association: Association, signal: AbortSignal): Promise<Association>;
  /** Has the server forget the node. A node that it does not know is a success. */
  disassociate(nodeName: string, signal: AbortSignal): Promise<Disassociation>;
  /**
   * Asks whether the server has forgotten the node.
   * @throws AssociationPending while it has not; AssociationFailed when it refused.
   */
  confirmDisassociation(nodeName: string, disassociation: Disassociation, signal: AbortSignal): Promise<void>;
}

/** Of an engine whose `disassociate` is final. */
export const FORGOTTEN_AT_ONCE: Pick<ConfigServer, 'confirmDisassociation'> = { async confirmDisassociation() {} };
