import { AssociationFailed, InvalidRequest } from '../../lib/errors.ts';
import type { Instance } from '../../lib/instance.ts';
import type { Identity, ServerAnswer } from '../../lib/state.ts';

/** A node as it is presented to a configuration server. */
export interface Node {
  readonly nodeName: string;
  /** Its addresses and tags, from the control plane. */
  readonly instance: Instance;
  /** The key that it proved; null for an engine that needs none. */
  readonly identity: Identity | null;
}

/** A node as the ledger recorded it when it was presented to the server. */
export interface RecordedNode {
  readonly nodeName: string;
  /** SHA-256 of its key's SPKI; null for an engine that needs no key. */
  readonly publicKeyFingerprint: string | null;
  /** Whether its removal has begun: what is missing since then, we removed. */
  readonly isBeingUndone: boolean;
}

/** What a server did when it was asked to forget a node. */
export interface Removal {
  /** What `confirmDisassociation` asks about; null where the answer is final at once. */
  readonly statusToken: string | null;
  /**
   * `taken`: the server has forgotten the node, or works on it; `missing`: it does not know the node, or is not there itself,
   * which a second look has to confirm; `anothers`: it knows another key by the node's name, and was left as it is.
   */
  readonly outcome: 'taken' | 'missing' | 'anothers';
}

export const FORGOTTEN: Removal = { statusToken: null, outcome: 'taken' };
export const MISSING: Removal = { statusToken: null, outcome: 'missing' };
export const ANOTHERS: Removal = { statusToken: null, outcome: 'anothers' };

const untaken = new WeakSet<Error>();

/** Marks an error as the server's answer that it has not taken the node, so that there will be nothing to undo. */
export function notTaken<Cause>(cause: Cause): Cause {
  if (cause instanceof Error) untaken.add(cause);
  return cause;
}

/** Whether the server has answered that it has not taken the node. A lost answer, or a failure, leaves that open. */
export function isNotTaken(error: unknown): boolean {
  return error instanceof Error && (error instanceof AssociationFailed || untaken.has(error));
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
  associate(node: Node, signal: AbortSignal): Promise<ServerAnswer>;
  /**
   * Asks whether the server has finished, and brings what the node needs back.
   * @throws AssociationPending while it has not; AssociationFailed when it refused.
   */
  confirm(node: Node, association: ServerAnswer, signal: AbortSignal): Promise<ServerAnswer>;
  /**
   * Has the server forget the node, if the key that it has under the name is the node's.
   * @param begin is awaited before anything is removed, once the server's key has been found to be the recorded one
   */
  disassociate(node: RecordedNode, begin: () => Promise<void>, signal: AbortSignal): Promise<Removal>;
  /**
   * Asks whether the server has forgotten the node.
   * @throws AssociationPending while it has not; AssociationFailed when it refused.
   */
  confirmDisassociation(nodeName: string, removal: Pick<Removal, 'statusToken'>, signal: AbortSignal): Promise<void>;
}

/** Of an engine whose `disassociate` is final. */
export const FORGOTTEN_AT_ONCE: Pick<ConfigServer, 'confirmDisassociation'> = { async confirmDisassociation() {} };
