import { DescribeNodeAssociationStatusCommand, type OpsWorksCMClient } from '@aws-sdk/client-opsworkscm';
import { AssociationFailed, AssociationPending, ServerNotReady, Throttled } from '../../../lib/errors.ts';
import type { OpsWorksCmServer } from '../../../lib/servers.ts';
import { calling, isNamed } from '../../aws.ts';

/**
 * What DescribeNodeAssociationStatus answers for a request that has succeeded.
 * @param what the request is, for a sentence: `the association of i-…`
 * @throws AssociationPending, AssociationFailed; ServerNotReady when the request must be made again
 */
export async function requireSucceeded(
  { serverName }: OpsWorksCmServer,
  what: string,
  statusToken: string | null,
  client: OpsWorksCMClient,
  signal: AbortSignal,
) {
  const answer = await statusOf(serverName, what, statusToken, client, signal);
  if (answer.NodeAssociationStatus === 'SUCCESS') return answer;
  if (answer.NodeAssociationStatus === 'IN_PROGRESS')
    throw new AssociationPending(`The server ${serverName} still works on ${what}.`);
  throw new AssociationFailed(`The server ${serverName} gave up ${what}: look at its own log.`);
}

async function statusOf(
  serverName: string,
  what: string,
  statusToken: string | null,
  client: OpsWorksCMClient,
  signal: AbortSignal,
) {
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
