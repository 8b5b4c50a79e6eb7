import {
  GetCommandInvocationCommand,
  type GetCommandInvocationResult,
  type InstanceInformation,
  paginateDescribeInstanceInformation,
  SendCommandCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { IdentityRejected } from '../lib/errors.ts';
import { calling, clientOptions, isNamed } from './aws.ts';

const systemsManager = new SSMClient(clientOptions);

/** What came of a command: it may not have ended, it may be lost without having run, or it ran. */
export type CommandResult =
  | { outcome: 'running'; status: string }
  | { outcome: 'lost'; status: string }
  | { outcome: 'succeeded'; status: string; output: string }
  | { outcome: 'failed'; status: string; errorOutput: string };

/**
 * Has the node run one of our documents; the answer is the command's id, or undefined while the node's agent is not up.
 * Source: Systems Manager SendCommand.
 */
export async function sendCommand(
  documentName: string,
  instanceId: string,
  parameters: Record<string, string>,
  signal: AbortSignal,
  client = systemsManager,
): Promise<string | undefined> {
  try {
    const { Command } = await calling(`send ${documentName} to ${instanceId}`, () =>
      client.send(
        new SendCommandCommand({
          DocumentName: documentName,
          InstanceIds: [instanceId],
          Parameters: Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, [value]])),
          // Longer than a node takes to come up; a command that is older answers nobody.
          TimeoutSeconds: 600,
        }),
        { abortSignal: signal },
      ),
    );
    return Command?.CommandId;
  } catch (error) {
    if (isNamed(error, 'InvalidInstanceId')) return undefined;
    throw error;
  }
}

/**
 * The id of the managed node that was activated for a Lightsail instance: with the tag `muster-node` and the instance's
 * name. A tag comes from who made the activation, never from the node. Nodes from before the launch were activated for
 * an earlier instance of the name.
 * @throws IdentityRejected where there are several: then it is not sure which of them is the instance.
 * Source: Systems Manager DescribeInstanceInformation.
 */
export async function findManagedNode(
  instanceName: string,
  launchTime: string | null,
  signal: AbortSignal,
  client = systemsManager,
): Promise<string | undefined> {
  const nodes = await calling(`find the managed node of ${instanceName}`, () => nodesOf(instanceName, signal, client));
  const since = launchTime === null ? 0 : Date.parse(launchTime);
  const ids = nodes
    .filter(({ ResourceType, RegistrationDate }) => {
      return ResourceType === 'ManagedInstance' && (RegistrationDate?.getTime() ?? 0) >= since;
    })
    .map(({ InstanceId }) => InstanceId);
  if (ids.length < 2) return ids[0];
  throw new IdentityRejected(
    `${instanceName} is not enrolled: ${ids.join(' and ')} were both activated with the tag muster-node=${instanceName}. ` +
      'Use an activation for one node only, and deregister what is not this instance.',
  );
}

/** A filter leaves pages short or empty, so the first of them says nothing. */
async function nodesOf(instanceName: string, signal: AbortSignal, client: SSMClient): Promise<InstanceInformation[]> {
  const input = { Filters: [{ Key: 'tag:muster-node', Values: [instanceName] }] };
  const nodes: InstanceInformation[] = [];
  for await (const page of paginateDescribeInstanceInformation({ client }, input, { abortSignal: signal }))
    nodes.push(...(page.InstanceInformationList ?? []));
  return nodes;
}

/** Looks what came of a command. Source: Systems Manager GetCommandInvocation. */
export async function commandResult(
  commandId: string,
  instanceId: string,
  signal: AbortSignal,
  client = systemsManager,
): Promise<CommandResult> {
  try {
    const invocation = await calling(`ask ${instanceId} for the command ${commandId}`, () =>
      client.send(new GetCommandInvocationCommand({ CommandId: commandId, InstanceId: instanceId }), {
        abortSignal: signal,
      }),
    );
    return resultOf(invocation);
  } catch (error) {
    // Normal for a moment after SendCommand.
    if (isNamed(error, 'InvocationDoesNotExist')) return { outcome: 'running', status: 'Pending' };
    throw error;
  }
}

function resultOf(invocation: GetCommandInvocationResult): CommandResult {
  const {
    Status: status = 'Pending',
    StandardOutputContent: output = '',
    StandardErrorContent: errorOutput = '',
  } = invocation;
  switch (status) {
    case 'Success':
      return { outcome: 'succeeded', status, output };
    case 'Failed':
      return { outcome: 'failed', status, errorOutput };
    case 'Cancelled':
    case 'TimedOut':
      return { outcome: 'lost', status };
    default:
      return { outcome: 'running', status };
  }
}
