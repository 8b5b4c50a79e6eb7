import { X509Certificate } from 'node:crypto';
import {
  AssociateNodeCommand,
  DescribeNodeAssociationStatusCommand,
  DescribeServersCommand,
  DisassociateNodeCommand,
  type EngineAttribute,
  OpsWorksCMClient,
  type Server,
} from '@aws-sdk/client-opsworkscm';
import {
  AssociationFailed,
  AssociationPending,
  InvalidStateException,
  ServerNotFound,
  ServerNotReady,
  Throttled,
} from '../../lib/errors.ts';
import type { Associate } from '../../lib/profiles.ts';
import { calling, clientOptions, isNamed } from '../aws.ts';
import type { ConfigServer, Node } from './contract.ts';

/**
 * Without quick attempts of the SDK's own: the service takes five calls a second from all of its clients together, and
 * a second attempt within the second only takes its turn from another node's first.
 */
const opsWorksCm = new OpsWorksCMClient({ ...clientOptions, maxAttempts: 1 });

type OpsWorksCmServer = Extract<Associate, { engine: 'opsworks-cm' }>;

/** The states that a server does not leave by itself. Source: OpsWorks CM DescribeServers, Status. */
const HOPELESS = new Set(['FAILED', 'DELETING', 'TERMINATED']);

/**
 * AWS OpsWorks CM, for Chef Automate and Puppet Enterprise servers.
 * Source: OpsWorks CM AssociateNode, DescribeNodeAssociationStatus, DescribeServers.
 */
export function opsWorksCmServer(server: OpsWorksCmServer, client = opsWorksCm): ConfigServer {
  const { serverName } = server;

  async function describeServer(signal: AbortSignal): Promise<Server> {
    const { Servers } = await about(`describe the server ${serverName}`, () =>
      client.send(new DescribeServersCommand({ ServerName: serverName }), { abortSignal: signal }),
    );
    const [described] = Servers ?? [];
    if (!described)
      throw new ServerNotFound(`OpsWorks CM has no server ${serverName}: correct serverName in profiles.yml.`);
    return described;
  }

  /** Turns "not in a state to" into what to do about it: wait, or give up. */
  async function refusedForState(nodeName: string, cause: Error, signal: AbortSignal): Promise<Error> {
    const { Status = 'unknown', StatusReason } = await describeServer(signal);
    const state = StatusReason ? `${Status} (${StatusReason})` : Status;
    return HOPELESS.has(Status)
      ? new ServerNotFound(`The server ${serverName} is ${state} and will take no node: restore or replace it.`, {
          cause,
        })
      : new InvalidStateException(`The server ${serverName} is ${state} and cannot take ${nodeName} now.`, { cause });
  }

  async function about<Output>(what: string, call: () => Promise<Output>): Promise<Output> {
    try {
      return await calling(what, call);
    } catch (cause) {
      if (!isNamed(cause, 'ResourceNotFoundException')) throw cause;
      throw new ServerNotFound(`OpsWorks CM refuses to ${what}: ${cause.message} Correct serverName in profiles.yml.`, {
        cause,
      });
    }
  }

  return {
    async associate(node, signal) {
      try {
        const { NodeAssociationStatusToken } = await about(`associate ${node.nodeName} with ${serverName}`, () =>
          client.send(
            new AssociateNodeCommand({
              ServerName: serverName,
              NodeName: node.nodeName,
              EngineAttributes: engineAttributes(server, node),
            }),
            { abortSignal: signal },
          ),
        );
        return { statusToken: NodeAssociationStatusToken ?? null, certificate: null, caCertificate: null };
      } catch (cause) {
        if (isNamed(cause, 'InvalidStateException')) throw await refusedForState(node.nodeName, cause, signal);
        if (isNamed(cause, 'ValidationException'))
          throw new AssociationFailed(`OpsWorks CM refuses ${node.nodeName}: ${cause.message}`, { cause });
        throw cause;
      }
    },

    async confirm(node, association, signal) {
      const { EngineAttributes } = await succeeded(
        `the association of ${node.nodeName}`,
        association.statusToken,
        signal,
      );
      if (server.serverEngine !== 'Puppet') return association;
      const certificate = attribute(EngineAttributes, 'PUPPET_NODE_CERT');
      requireKeyOf(node, certificate);
      const { EngineAttributes: ofServer } = await describeServer(signal);
      return { ...association, certificate, caCertificate: attribute(ofServer, 'PUPPET_API_CA_CERT') };
    },

    async disassociate(nodeName, signal) {
      try {
        const { NodeAssociationStatusToken } = await calling(`disassociate ${nodeName} from ${serverName}`, () =>
          client.send(
            new DisassociateNodeCommand({
              ServerName: serverName,
              NodeName: nodeName,
              ...(server.serverEngine === 'ChefAutomate' && { EngineAttributes: [organization(server)] }),
            }),
            { abortSignal: signal },
          ),
        );
        return { statusToken: NodeAssociationStatusToken ?? null };
      } catch (cause) {
        if (isNamed(cause, 'InvalidStateException')) throw await refusedForState(nodeName, cause, signal);
        // Either the server or the node is not there, and so neither is what was to be undone.
        if (isNamed(cause, 'ResourceNotFoundException')) return { statusToken: null };
        if (!isNamed(cause, 'ValidationException')) throw cause;
        throw new AssociationFailed(`OpsWorks CM refuses to disassociate ${nodeName}: ${cause.message}`, { cause });
      }
    },

    async confirmDisassociation(nodeName, { statusToken }, signal) {
      if (statusToken !== null) await succeeded(`the disassociation of ${nodeName}`, statusToken, signal);
    },
  };

  /**
   * What DescribeNodeAssociationStatus answers for a request that has succeeded.
   * @throws AssociationPending, AssociationFailed; ServerNotReady when the request must be made again
   */
  async function succeeded(what: string, statusToken: string | null, signal: AbortSignal) {
    const answer = await statusOf(what, statusToken, signal);
    if (answer.NodeAssociationStatus === 'SUCCESS') return answer;
    if (answer.NodeAssociationStatus === 'IN_PROGRESS')
      throw new AssociationPending(`The server ${serverName} still works on ${what}.`);
    throw new AssociationFailed(`The server ${serverName} gave ${what} up: look at its own log.`);
  }

  async function statusOf(what: string, statusToken: string | null, signal: AbortSignal) {
    try {
      return await calling(`ask for ${what}`, () =>
        client.send(
          new DescribeNodeAssociationStatusCommand({
            ServerName: serverName,
            NodeAssociationStatusToken: statusToken ?? undefined,
          }),
          { abortSignal: signal },
        ),
      );
    } catch (cause) {
      // Who may not ask now does not know: the request itself goes on, and is not to be made again.
      if (cause instanceof Throttled) throw new AssociationPending(cause.message, { cause });
      if (!isNamed(cause, 'ResourceNotFoundException')) throw cause;
      // The service forgets tokens. Asking again brings a new one, and what is already so is no news to it.
      throw new ServerNotReady(`The server ${serverName} no longer knows of ${what}.`, { cause });
    }
  }

  /** A certificate for another key would lock the node out, and would be somebody else's. */
  function requireKeyOf({ nodeName, identity }: Node, certificate: string): void {
    const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'pem' });
    if (String(key).trim() === identity.publicKey.trim()) return;
    throw new AssociationFailed(
      `The server ${serverName} answered with a certificate for another key than ${nodeName}'s.`,
    );
  }

  /** Attributes come as a list in no promised order: by name, then. */
  function attribute(attributes: EngineAttribute[] | undefined, name: string): string {
    const value = attributes?.find((one) => one.Name === name)?.Value;
    if (value) return value;
    throw new AssociationFailed(`The answer of the server ${serverName} lacks ${name}.`);
  }
}

function engineAttributes(server: OpsWorksCmServer, { identity }: Node): EngineAttribute[] {
  if (server.serverEngine === 'Puppet') return [{ Name: 'PUPPET_NODE_CSR', Value: identity.csr }];
  return [organization(server), { Name: 'CHEF_NODE_PUBLIC_KEY', Value: identity.publicKey }];
}

function organization({ chefOrganization = 'default' }: OpsWorksCmServer): EngineAttribute {
  return { Name: 'CHEF_ORGANIZATION', Value: chefOrganization };
}
