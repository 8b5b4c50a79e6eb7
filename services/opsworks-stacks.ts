import {
  AssignInstanceCommand,
  DescribeInstancesCommand,
  OpsWorksClient,
  type Instance as OpsWorksInstance,
  RegisterInstanceCommand,
} from '@aws-sdk/client-opsworks';
import { RegistrationFailed, RegistrationPending } from '../lib/errors.ts';
import type { Identity, Instance } from '../lib/state.ts';
import { calling, clientOptions, isNamed } from './aws.ts';

const opsWorks = new OpsWorksClient(clientOptions);

/**
 * The stack's own id of the instance, or undefined when the stack does not have it. RegisterInstance takes no client
 * token, so this look is what keeps a second run from a second registration.
 * @throws RegistrationFailed when there is no such stack. Source: OpsWorks DescribeInstances.
 */
export async function findRegistration(
  stackId: string,
  instanceId: string,
  signal: AbortSignal,
  client = opsWorks,
): Promise<string | undefined> {
  const instances = await describe(
    { StackId: stackId },
    `look for ${instanceId} in the stack ${stackId}`,
    signal,
    client,
  );
  return instances.find((one) => one.Ec2InstanceId === instanceId || one.Hostname === instanceId)?.InstanceId;
}

/**
 * Registers the instance and answers with the stack's own id of it (a GUID). Not idempotent: look first.
 * @throws RegistrationFailed when the stack refuses it. Source: OpsWorks RegisterInstance.
 */
export async function registerInstance(
  stackId: string,
  instance: Instance,
  identity: Identity,
  signal: AbortSignal,
  client = opsWorks,
): Promise<string> {
  const { InstanceId } = await refusing(`register ${instance.instanceId} with the stack ${stackId}`, () =>
    client.send(
      new RegisterInstanceCommand({
        StackId: stackId,
        Hostname: instance.nodeName,
        RsaPublicKey: identity.publicKey,
        RsaPublicKeyFingerprint: identity.publicKeyFingerprint,
        InstanceIdentity: { Document: identity.document, Signature: identity.signature },
        ...(instance.privateIpAddress && { PrivateIp: instance.privateIpAddress }),
        ...(instance.publicIpAddress && { PublicIp: instance.publicIpAddress }),
      }),
      { abortSignal: signal },
    ),
  );
  if (!InstanceId) throw new RegistrationFailed(`OpsWorks registered ${instance.instanceId} without an InstanceId.`);
  return InstanceId;
}

/** What the agent's report allows. Source: OpsWorks DescribeInstances, Status. */
const WAITING = new Set(['registering', 'running_setup', 'requested', 'pending', 'booting']);
const FAILED = new Set([
  'setup_failed',
  'start_failed',
  'connection_lost',
  'deregistering',
  'terminated',
  'terminating',
]);

/**
 * Assigns the registered instance to custom layers; one that has them already is left as it is.
 * @throws RegistrationPending until the agent on the node has reported; RegistrationFailed when it cannot be assigned.
 * Source: OpsWorks AssignInstance.
 */
export async function assignInstance(
  opsworksInstanceId: string,
  layerIds: string[],
  signal: AbortSignal,
  client = opsWorks,
): Promise<void> {
  const about = { InstanceIds: [opsworksInstanceId] };
  const [instance] = await describe(about, `describe the OpsWorks instance ${opsworksInstanceId}`, signal, client);
  const status = instance?.Status ?? 'unknown';
  if (FAILED.has(status)) {
    throw new RegistrationFailed(
      `The OpsWorks instance ${opsworksInstanceId} is ${status}: look at its agent's log on the node.`,
    );
  }
  if (WAITING.has(status)) {
    throw new RegistrationPending(
      `The OpsWorks instance ${opsworksInstanceId} is ${status}: its agent has not reported yet.`,
    );
  }
  if (layerIds.every((layerId) => instance?.LayerIds?.includes(layerId))) return;
  await refusing(`assign the OpsWorks instance ${opsworksInstanceId}`, () =>
    client.send(new AssignInstanceCommand({ InstanceId: opsworksInstanceId, LayerIds: layerIds }), {
      abortSignal: signal,
    }),
  );
}

async function describe(
  about: { StackId: string } | { InstanceIds: string[] },
  what: string,
  signal: AbortSignal,
  client: OpsWorksClient,
): Promise<OpsWorksInstance[]> {
  const { Instances } = await refusing(what, () =>
    client.send(new DescribeInstancesCommand(about), { abortSignal: signal }),
  );
  return Instances ?? [];
}

async function refusing<Output>(what: string, call: () => Promise<Output>): Promise<Output> {
  try {
    return await calling(what, call);
  } catch (cause) {
    if (!isNamed(cause, 'ValidationException', 'ResourceNotFoundException')) throw cause;
    throw new RegistrationFailed(`OpsWorks refuses to ${what}: ${cause.message}`, { cause });
  }
}
