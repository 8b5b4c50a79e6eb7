import { X509Certificate } from 'node:crypto';
import { AssociateNodeCommand, DisassociateNodeCommand, type EngineAttribute } from '@aws-sdk/client-opsworkscm';
import { AssociationFailed, DependencyMissing, PermissionDenied, Throttled } from '../../../lib/errors.ts';
import { quoted } from '../../../lib/quoted.ts';
import type { OpsWorksCmServer } from '../../../lib/servers.ts';
import { calling, isNamed } from '../../aws.ts';
import { type ConfigServer, MISSING, type Node, notTaken, provedIdentity } from '../contract.ts';
import { about, describeServer, opsWorksCm, refusedForState } from './api.ts';
import { requireSucceeded } from './status.ts';

/**
 * AWS OpsWorks CM, for Chef Automate and Puppet Enterprise servers. In parts, because a function carries, and its role
 * allows, no other command than its task's.
 * Source: OpsWorks CM AssociateNode, DisassociateNode, DescribeNodeAssociationStatus, DescribeServers.
 */
export function opsWorksCmServer(server: OpsWorksCmServer, client = opsWorksCm): ConfigServer {
  return {
    ...associating(server, client),
    ...confirming(server, client),
    ...disassociating(server, client),
    ...confirmingDisassociation(server, client),
  };
}

export function associating(server: OpsWorksCmServer, client = opsWorksCm): Pick<ConfigServer, 'associate'> {
  const { serverName } = server;
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
        if (isNamed(cause, 'InvalidStateException'))
          throw notTaken(await refusedForState(server, node.nodeName, cause, client, signal));
        if (isNamed(cause, 'ValidationException'))
          throw new AssociationFailed(`OpsWorks CM refuses ${node.nodeName}: ${quoted(cause.message)}.`, { cause });
        const isAnswer =
          cause instanceof DependencyMissing || cause instanceof PermissionDenied || cause instanceof Throttled;
        throw isAnswer ? notTaken(cause) : cause;
      }
    },
  };
}

export function confirming(server: OpsWorksCmServer, client = opsWorksCm): Pick<ConfigServer, 'confirm'> {
  return {
    async confirm(node, association, signal) {
      const what = `the association of ${node.nodeName}`;
      const { EngineAttributes } = await requireSucceeded(server, what, association.statusToken, client, signal);
      if (server.serverEngine !== 'Puppet') return association;
      const certificate = attribute(server, EngineAttributes, 'PUPPET_NODE_CERT');
      requireKeyOf(server, node, certificate);
      const { EngineAttributes: ofServer } = await describeServer(server, client, signal);
      return { ...association, certificate, caCertificate: attribute(server, ofServer, 'PUPPET_API_CA_CERT') };
    },
  };
}

export function disassociating(server: OpsWorksCmServer, client = opsWorksCm): Pick<ConfigServer, 'disassociate'> {
  const { serverName } = server;
  return {
    /** The service shows no key. Its caller undoes what it confirmed, or may have taken, and nothing that it refused. */
    async disassociate({ nodeName }, begin, signal) {
      await begin();
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
        return { statusToken: NodeAssociationStatusToken ?? null, outcome: 'taken' };
      } catch (cause) {
        if (isNamed(cause, 'InvalidStateException'))
          throw await refusedForState(server, nodeName, cause, client, signal);
        // Of the server or of the node: the service has one error for both.
        if (isNamed(cause, 'ResourceNotFoundException')) return MISSING;
        if (!isNamed(cause, 'ValidationException')) throw cause;
        throw new AssociationFailed(`OpsWorks CM refuses to disassociate ${nodeName}: ${quoted(cause.message)}.`, {
          cause,
        });
      }
    },
  };
}

export function confirmingDisassociation(
  server: OpsWorksCmServer,
  client = opsWorksCm,
): Pick<ConfigServer, 'confirmDisassociation'> {
  return {
    async confirmDisassociation(nodeName, { statusToken }, signal) {
      if (statusToken !== null)
        await requireSucceeded(server, `the disassociation of ${nodeName}`, statusToken, client, signal);
    },
  };
}

/** A certificate for another key would lock the node out, and would belong to another node. */
function requireKeyOf({ serverName }: OpsWorksCmServer, node: Node, certificate: string): void {
  const { nodeName } = node;
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'pem' });
  if (String(key).trim() === provedIdentity(node).publicKey.trim()) return;
  throw new AssociationFailed(
    `The server ${serverName} answered with a certificate for another key than ${nodeName}'s.`,
  );
}

/** Attributes come as a list in no promised order: by name, then. */
function attribute({ serverName }: OpsWorksCmServer, attributes: EngineAttribute[] | undefined, name: string): string {
  const value = attributes?.find((one) => one.Name === name)?.Value;
  if (value) return value;
  throw new AssociationFailed(`The answer of the server ${serverName} lacks ${name}.`);
}

function engineAttributes(server: OpsWorksCmServer, node: Node): EngineAttribute[] {
  const identity = provedIdentity(node);
  if (server.serverEngine === 'Puppet') return [{ Name: 'PUPPET_NODE_CSR', Value: identity.csr }];
  return [organization(server), { Name: 'CHEF_NODE_PUBLIC_KEY', Value: identity.publicKey }];
}

function organization({ chefOrganization = 'default' }: OpsWorksCmServer): EngineAttribute {
  return { Name: 'CHEF_ORGANIZATION', Value: chefOrganization };
}
