import {
  GetCommandInvocationCommand,
  type GetCommandInvocationResult,
  type InstanceInformation,
  paginateDescribeInstanceInformation,
  SendCommandCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { home } from '../lib/config.ts';
import { DependencyMissing, IdentityRejected, InvalidRequest, PermissionDenied } from '../lib/errors.ts';
import type { Instance, InstanceRef } from '../lib/instance.ts';
import { quoted } from '../lib/quoted.ts';
import { calling, inRegion, isNamed } from './aws.ts';

const systemsManagerIn = inRegion((options) => new SSMClient(options));

/**
 * What became of a command. `lost`: the agent or the delivery failed, so the node has not answered, and the command can
 * be sent again. `failed`: the script ended with an error of its own; what it printed is quoted.
 */
export type CommandResult =
  | { outcome: 'running'; status: string }
  | { outcome: 'lost'; status: string }
  | { outcome: 'succeeded'; status: string; output: string }
  | { outcome: 'failed'; status: string; errorOutput: string };

/** An instance as Systems Manager knows it. */
type ManagedNode = Pick<InstanceRef, 'platform' | 'region'> & { readonly managedId: string };

/** A Lightsail instance is activated in the stack's own Region, wherever it is itself. */
function regionOf({ platform, region }: Pick<InstanceRef, 'platform' | 'region'>): string {
  return platform === 'ec2' ? region : home();
}

/** What the tag `muster-node` of a Lightsail instance's activation is to say. No Lightsail name has a slash. */
export function activationTag({ instanceId, region }: Pick<InstanceRef, 'instanceId' | 'region'>): string {
  return region === home() ? instanceId : `${region}/${instanceId}`;
}

/**
 * Has the node run one of our documents; the answer is the command's id, or undefined while the node's agent is not up.
 * Source: Systems Manager SendCommand.
 */
export async function sendCommand(
  documentName: string,
  node: ManagedNode,
  parameters: Record<string, string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { Command } = await calling(`send ${documentName} to ${node.managedId}`, () =>
      systemsManagerIn(regionOf(node)).send(
        new SendCommandCommand({
          DocumentName: documentName,
          InstanceIds: [node.managedId],
          Parameters: Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, [value]])),
          // Longer than a node takes to come up; an older command is of no use.
          TimeoutSeconds: 600,
        }),
        { abortSignal: signal },
      ),
    );
    return Command?.CommandId;
  } catch (error) {
    if (isNamed(error, 'InvalidInstanceId')) return undefined;
    if (isNamed(error, 'UnsupportedPlatformType')) throw notLinux(node.managedId);
    if (isNamed(error, 'InvalidDocument')) throw withoutDocument(documentName, node, error);
    throw error;
  }
}

function withoutDocument(documentName: string, node: ManagedNode, cause: Error): DependencyMissing {
  const region = regionOf(node);
  return new DependencyMissing(
    `Systems Manager has no document ${documentName} in ${region}, so ${node.managedId} cannot be asked for anything. ` +
      `Deploy Muster's documents in ${region} too: docs/sweep.md, "Several Regions".`,
    { cause },
  );
}

/**
 * The id of the managed node that was activated for a Lightsail instance: with the tag `muster-node` and the instance's
 * name, behind its Region where that is another than the stack's. A tag comes from who made the activation, never from the node. Nodes from before the launch were activated for
 * an earlier instance of the name.
 * @throws IdentityRejected where there are several: then it is not sure which of them is the instance. InvalidRequest
 *   for a node that does not run Linux.
 * Source: Systems Manager DescribeInstanceInformation.
 */
export async function findManagedNode(instance: Instance, signal: AbortSignal): Promise<string | undefined> {
  const { instanceId, launchTime } = instance;
  const tag = activationTag(instance);
  const nodes = await calling(`find the managed node of ${instanceId}`, () => nodesOf(tag, signal));
  const since = launchTime === null ? 0 : Date.parse(launchTime);
  const found = nodes.filter(({ ResourceType, RegistrationDate }) => {
    return ResourceType === 'ManagedInstance' && (RegistrationDate?.getTime() ?? 0) >= since;
  });
  const ids = found.map(({ InstanceId }) => InstanceId);
  if (ids.length < 2) {
    const platform = found[0]?.PlatformType;
    if (platform !== undefined && platform !== 'Linux') throw notLinux(instanceId);
    return ids[0];
  }
  throw new IdentityRejected(
    `${instanceId} is not enrolled: ${ids.join(' and ')} were both activated with the tag muster-node=${tag}. ` +
      'Use an activation for one node only, and deregister what is not this instance.',
  );
}

/** A filter leaves pages short or empty, so the first of them says nothing. */
async function nodesOf(tag: string, signal: AbortSignal): Promise<InstanceInformation[]> {
  const client = systemsManagerIn(home());
  const input = { Filters: [{ Key: 'tag:muster-node', Values: [tag] }] };
  const nodes: InstanceInformation[] = [];
  for await (const page of paginateDescribeInstanceInformation({ client }, input, { abortSignal: signal }))
    nodes.push(...(page.InstanceInformationList ?? []));
  return nodes;
}

/** Reads the result of a command. Source: Systems Manager GetCommandInvocation. */
export async function commandResult(commandId: string, node: ManagedNode, signal: AbortSignal): Promise<CommandResult> {
  try {
    const invocation = await calling(`ask ${node.managedId} for the command ${commandId}`, () =>
      systemsManagerIn(regionOf(node)).send(
        new GetCommandInvocationCommand({ CommandId: commandId, InstanceId: node.managedId }),
        {
          abortSignal: signal,
        },
      ),
    );
    return resultOf(invocation, node.managedId);
  } catch (error) {
    // Normal for a moment after SendCommand.
    if (isNamed(error, 'InvocationDoesNotExist')) return { outcome: 'running', status: 'Pending' };
    throw error;
  }
}

function resultOf(invocation: GetCommandInvocationResult, managedId: string): CommandResult {
  const { Status: status = 'Pending', StandardOutputContent: output = '' } = invocation;
  // The documentation spells them with spaces, the service without.
  const details = (invocation.StatusDetails ?? status).replaceAll(' ', '');
  if (RUNNING.has(status)) return { outcome: 'running', status };
  if (details === 'InvalidPlatform' || SKIPPED.test(output)) throw notLinux(managedId);
  if (status === 'Success') return { outcome: 'succeeded', status, output };
  if (details === 'AccessDenied')
    throw new PermissionDenied(
      `Systems Manager denies the command to ${managedId} (AccessDenied). Allow it in the function's role (resources/functions.yml).`,
    );
  if (isAnswerOfNode(invocation, details))
    return { outcome: 'failed', status, errorOutput: quoted(invocation.StandardErrorContent ?? '') };
  return { outcome: 'lost', status: details };
}

const RUNNING = new Set(['Pending', 'InProgress', 'Delayed', 'Cancelling']);

/** What the agent prints for a step that is for another platform: the command itself is a Success. */
const SKIPPED = /^Step execution skipped due to /;

/** What the agent prints when its worker process died under the script. */
const AGENT_FAILED = /document process failed unexpectedly/;

/** Exit codes that no script of ours ends with: the agent's own, and those of a process that was killed. */
const WITHOUT_ANSWER = new Set([-1, 137, 143]);

/** Whether the script itself has failed. Every other end is a failure of the agent, or of the delivery. */
function isAnswerOfNode(invocation: GetCommandInvocationResult, details: string): boolean {
  const { ResponseCode: exitCode = -1, StandardOutputContent = '', StandardErrorContent = '' } = invocation;
  if (details !== 'Failed' || WITHOUT_ANSWER.has(exitCode)) return false;
  return !AGENT_FAILED.test(StandardOutputContent) && !AGENT_FAILED.test(StandardErrorContent);
}

function notLinux(node: string): InvalidRequest {
  return new InvalidRequest(
    `${node} does not run Linux, and Muster enrols Linux nodes only. Leave it out of the profile's match, or exempt it ` +
      'from association.',
  );
}
