import { createPublicKey, type KeyObject } from 'node:crypto';
import * as z from 'zod';
import { chefServerUrl, organizationOf } from '../../../lib/engines.ts';
import { AssociationFailed, DependencyMissing, IdentityRejected, ServerNotReady } from '../../../lib/errors.ts';
import type { ChefInfraServer } from '../../../lib/servers.ts';
import { keyFingerprint } from '../../identity/key.ts';
import { secretText } from '../../secrets.ts';
import {
  ANOTHERS,
  type ConfigServer,
  FORGOTTEN,
  FORGOTTEN_AT_ONCE,
  MISSING,
  type Node,
  provedIdentity,
} from '../contract.ts';
import type { ChefAnswer } from './answer.ts';
import { type ChefCall, type ChefOptions, chefApi, type Secrets } from './api.ts';
import { LEAST_KEY_BITS } from './secrets.ts';

/** What GET principals answers for one name: a client and a user may share it. */
const Principal = z.object({ name: z.string(), type: z.string(), public_key: z.string() });

/** Version 1 of the API answers a list, version 0 the one that it found first. */
const Principals = z.union([z.object({ principals: z.array(Principal) }), Principal]);

/** What GET principals lacks when it answers 404: `principal`, or the `org` itself. Servers of version 11 do not say. */
const NotFound = z.object({ not_found: z.string().default('principal') });

/**
 * A Chef Infra Server of one's own. Enrolment makes the client and never the node object: a node is its maker's, and
 * chef-client, which makes its own, would be refused when it saves.
 * Source: Chef Infra Server API, /clients, /nodes, /principals.
 */
export function chefInfraServer(
  server: ChefInfraServer,
  secrets: Secrets = secretText,
  options: ChefOptions = {},
): ConfigServer {
  const url = chefServerUrl(server);
  const validator = {
    clientName: server.clientName ?? `${organizationOf(url) ?? 'chef'}-validator`,
    keySecret: server.keySecret,
    right: 'create clients, as the validator of an organization is',
  };
  const retirer = {
    clientName: server.retireClientName,
    keySecret: server.retireKeySecret,
    right: 'delete clients and nodes, as a member of the group admins is',
  };
  const enrolling = chefApi(server, validator, secrets, options);
  const retiring = chefApi(server, retirer, secrets, options);

  /** The key of the client of this name; undefined where there is no such client. */
  async function keyOfClient(nodeName: string, call: ChefCall, signal: AbortSignal) {
    const answer = await call('GET', `/principals/${encodeURIComponent(nodeName)}`, null, signal);
    if (answer.status === 404) {
      if (NotFound.safeParse(answer.body).data?.not_found === 'org') throw notFound(answer);
      return undefined;
    }
    const found = answer.status === 200 ? Principals.safeParse(answer.body).data : undefined;
    if (!found) throw unexpected(answer, `principals/${nodeName}`);
    const principals = 'principals' in found ? found.principals : [found];
    return principals.find(({ name, type }) => name === nodeName && type === 'client')?.public_key;
  }

  /** @throws AssociationFailed for another key; ServerNotReady when the client is gone and is to be made again */
  async function requireOurClient(node: Node, call: ChefCall, signal: AbortSignal): Promise<void> {
    const { nodeName } = node;
    const key = await keyOfClient(nodeName, call, signal);
    if (key === undefined) throw new ServerNotReady(`${url} has no client ${nodeName}, though it had taken it.`);
    if (isSameKey(key, chefKeyOf(node))) return;
    throw new AssociationFailed(
      `${url} has a client ${nodeName} with another key. Delete that client if it is no longer used, and enrol ${nodeName} again.`,
    );
  }

  /** @returns whether the server had it */
  async function forget(
    kind: 'clients' | 'nodes',
    nodeName: string,
    call: ChefCall,
    signal: AbortSignal,
  ): Promise<boolean> {
    const answer = await call('DELETE', `/${kind}/${encodeURIComponent(nodeName)}`, null, signal);
    if (answer.status !== 200 && answer.status !== 404) throw unexpected(answer, `${kind}/${nodeName}`);
    return answer.status === 200;
  }

  /** A 404 of a deletion may mean the organization: only who knows it knows that the client is not there. */
  async function requireGone(nodeName: string, call: ChefCall, signal: AbortSignal): Promise<void> {
    if ((await keyOfClient(nodeName, call, signal)) === undefined) return;
    throw new ServerNotReady(`${url} still has the client ${nodeName}.`);
  }

  function notFound({ refusal }: ChefAnswer): DependencyMissing {
    return new DependencyMissing(`There is no Chef organization at ${url}: correct url or organization. (${refusal})`);
  }

  function unexpected({ status, refusal }: ChefAnswer, what: string): AssociationFailed {
    return new AssociationFailed(`${url} does not take ${what} (${status}: ${refusal}). Its own log tells more.`);
  }

  return {
    associate(node, signal) {
      return enrolling(signal, async (call) => {
        const { nodeName } = node;
        const publicKey = String(chefKeyOf(node).export({ type: 'spki', format: 'pem' }));
        const answer = await call('POST', '/clients', { name: nodeName, public_key: publicKey }, signal);
        if (answer.status === 404) throw notFound(answer);
        if (answer.status === 409) await requireOurClient(node, call, signal);
        else if (answer.status !== 201) throw unexpected(answer, `the client ${nodeName}`);
        return { statusToken: null, certificate: null, caCertificate: null };
      });
    },

    /** The answer was final; but of two who associate one name with two keys, only one is right. */
    confirm(node, association, signal) {
      return enrolling(signal, async (call) => {
        await requireOurClient(node, call, signal);
        return association;
      });
    },

    /**
     * The client first: without its key, a run in progress cannot make the node again. A node object has no key: without a
     * client it is only ours if we removed that.
     */
    disassociate({ nodeName, publicKeyFingerprint, isBeingUndone }, begin, signal) {
      return retiring(signal, async (call) => {
        const key = await keyOfClient(nodeName, call, signal);
        if (key !== undefined && fingerprintOfKey(key) !== publicKeyFingerprint) return ANOTHERS;
        if (key === undefined && !isBeingUndone) return MISSING;
        await begin();
        const isDeleted = key !== undefined && (await forget('clients', nodeName, call, signal));
        if (key !== undefined) await requireGone(nodeName, call, signal);
        // A node that never ran its agent has no node object, and without a client that object lets no machine in.
        await forget('nodes', nodeName, call, signal);
        return isDeleted ? FORGOTTEN : MISSING;
      });
    },

    ...FORGOTTEN_AT_ONCE,
  };
}

/**
 * The node's key, where a Chef server should take it: some take anything.
 * @throws IdentityRejected for another key than RSA of 2048 bits or more
 */
function chefKeyOf(node: Node): KeyObject {
  const { nodeName } = node;
  const key = createPublicKey(provedIdentity(node).publicKey);
  if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= LEAST_KEY_BITS) return key;
  throw new IdentityRejected(
    `${nodeName} is not enrolled: its key is not RSA of ${LEAST_KEY_BITS} bits or more, and Chef takes no other.`,
  );
}

/** Undefined for what cannot be read as a key. */
function fingerprintOfKey(pem: string): string | undefined {
  try {
    return keyFingerprint(createPublicKey(pem));
  } catch {
    return undefined;
  }
}

/** A server may hold a key in any spelling, or one that is none. */
function isSameKey(pem: string, key: KeyObject): boolean {
  try {
    return createPublicKey(pem).equals(key);
  } catch {
    return false;
  }
}
