import { DescribeServersCommand, OpsWorksCMClient, type Server } from '@aws-sdk/client-opsworkscm';
import { DependencyMissing, ServerNotFound, ServerNotReady } from '../../../lib/errors.ts';
import { quoted } from '../../../lib/quoted.ts';
import type { OpsWorksCmServer } from '../../../lib/servers.ts';
import { calling, clientOptions, isNamed } from '../../aws.ts';

/**
 * Without quick attempts of the SDK's own: the service takes five calls a second from all of its clients together, and
 * a second attempt within the second only takes its turn from another node's first.
 */
export const opsWorksCm = new OpsWorksCMClient({ ...clientOptions, maxAttempts: 1 });

/** The states that a server does not leave by itself. Source: OpsWorks CM DescribeServers, Status. */
const HOPELESS = new Set(['FAILED', 'DELETING', 'TERMINATED']);

/**
 * Describes a server that has just answered, so that an answer that misses it is no verdict.
 * @throws ServerNotReady while OpsWorks CM does not show it. Source: OpsWorks CM DescribeServers.
 */
export async function describeServer(
  { serverName }: OpsWorksCmServer,
  client: OpsWorksCMClient,
  signal: AbortSignal,
): Promise<Server> {
  const unseen = `OpsWorks CM does not show the server ${serverName} now, although it has just answered.`;
  try {
    const { Servers } = await calling(`describe the server ${serverName}`, () =>
      client.send(new DescribeServersCommand({ ServerName: serverName }), { abortSignal: signal }),
    );
    const [described] = Servers ?? [];
    if (described) return described;
  } catch (cause) {
    if (!isNamed(cause, 'ResourceNotFoundException')) throw cause;
    throw new ServerNotReady(unseen, { cause });
  }
  throw new ServerNotReady(unseen);
}

/** Turns "not in a state to" into what to do about it: wait, or give up. */
export async function refusedForState(
  server: OpsWorksCmServer,
  nodeName: string,
  cause: Error,
  client: OpsWorksCMClient,
  signal: AbortSignal,
): Promise<Error> {
  const { serverName } = server;
  const { Status = 'unknown', StatusReason } = await describeServer(server, client, signal);
  const state = StatusReason ? `${Status} (${quoted(StatusReason)})` : Status;
  return HOPELESS.has(Status)
    ? new ServerNotFound(`The server ${serverName} is ${state} and will take no node: restore or replace it.`, {
        cause,
      })
    : new ServerNotReady(`The server ${serverName} is ${state} and cannot take ${nodeName} now.`, { cause });
}

/** Makes one call about a server that must be there. */
export async function about<Output>(what: string, call: () => Promise<Output>): Promise<Output> {
  try {
    return await calling(what, call);
  } catch (cause) {
    if (!isNamed(cause, 'ResourceNotFoundException')) throw cause;
    throw new DependencyMissing(
      `OpsWorks CM refuses to ${what}: ${quoted(cause.message)}. Correct serverName in profiles.yml.`,
      { cause },
    );
  }
}
