import {
  AssignInstanceCommand,
  DeregisterInstanceCommand,
  DescribeInstancesCommand,
  OpsWorksClient,
  type Instance as OpsWorksInstance,
  RegisterInstanceCommand,
} from '@aws-sdk/client-opsworks';
import { DependencyMissing, RegistrationFailed, RegistrationPending } from '../lib/errors.ts';
import type { Instance } from '../lib/instance.ts';
import { quoted } from '../lib/quoted.ts';
import type { Identity } from '../lib/state.ts';
import { calling, clientOptions, forPage, isNamed } from './aws.ts';

const opsWorks = new OpsWorksClient(clientOptions);

/**
 * For what must not be called twice. Where an answer is lost, the SDK would call again without looking whether the first
 * call has done its work; the state machine's next attempt looks.
 */
const opsWorksOnce = new OpsWorksClient({ ...clientOptions, maxAttempts: 1 });

/** An instance as its stack has it: under the stack's own id (a GUID). */
export interface FoundRegistration {
  readonly id: string;
  /** ISO 8601. */
  readonly createdAt: string | undefined;
}

/**
 * Whether a registration can be that of an attempt of ours whose answer was lost. What was made after the attempt had
 * begun or ended outside of it is another team's.
 * @param until the instant by which the attempt had ended for sure
 */
export function isFromAttempt({ createdAt }: FoundRegistration, until: string | null | undefined): boolean {
  if (until == null || createdAt === undefined) return false;
  const created = Date.parse(createdAt);
  return created <= Date.parse(until) && created >= Date.parse(until) - LONGEST_ATTEMPT_SECONDS * 1000;
}

/** From the beginning of an attempt to the instant that is recorded as its end, and a minute for clocks that differ. */
const LONGEST_ATTEMPT_SECONDS = 120;

/**
 * The stack's registrations of the instance: none, or one; more only where it was registered more than once.
 * RegisterInstance takes no client token, so this look is what keeps a second run from a second registration. A host name
 * proves nothing.
 * @throws DependencyMissing when there is no such stack. Source: OpsWorks DescribeInstances.
 */
export async function findRegistrations(
  stackId: string,
  instanceId: string,
  signal: AbortSignal,
): Promise<FoundRegistration[]> {
  const what = `look for ${instanceId} in the stack ${stackId}`;
  const instances = await describe({ StackId: stackId }, what, signal, opsWorks);
  return instances
    .filter((one) => one.Ec2InstanceId === instanceId)
    .filter((one) => one.Status !== 'deregistering')
    .flatMap(({ InstanceId: id, CreatedAt: createdAt }) => (id ? { id, createdAt } : []));
}

/** The same; undefined when there is no such stack. OpsWorks deletes no stack that has instances. */
export async function listRegistrations(
  stackId: string,
  instanceId: string,
  signal: AbortSignal,
): Promise<FoundRegistration[] | undefined> {
  try {
    return await findRegistrations(stackId, instanceId, signal);
  } catch (error) {
    if (error instanceof DependencyMissing) return undefined;
    throw error;
  }
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
): Promise<string> {
  const { InstanceId } = await refusing(`register ${instance.instanceId} with the stack ${stackId}`, () =>
    opsWorksOnce.send(
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
): Promise<void> {
  const instance = await findRegistered(opsworksInstanceId, signal);
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
    opsWorksOnce.send(new AssignInstanceCommand({ InstanceId: opsworksInstanceId, LayerIds: layerIds }), {
      abortSignal: signal,
    }),
  );
}

/** @throws RegistrationPending while OpsWorks does not show what it has registered */
async function findRegistered(opsworksInstanceId: string, signal: AbortSignal): Promise<OpsWorksInstance | undefined> {
  const what = `describe the OpsWorks instance ${opsworksInstanceId}`;
  try {
    const [instance] = await describe({ InstanceIds: [opsworksInstanceId] }, what, signal, opsWorksOnce);
    return instance;
  } catch (error) {
    if (!(error instanceof DependencyMissing)) throw error;
    throw new RegistrationPending(`OpsWorks does not show the instance ${opsworksInstanceId} yet.`, { cause: error });
  }
}

/**
 * Takes the instance out of its stack.
 * @returns false if OpsWorks does not know it. Source: OpsWorks DeregisterInstance.
 */
export async function deregisterInstance(opsworksInstanceId: string, signal: AbortSignal): Promise<boolean> {
  try {
    await calling(`deregister the OpsWorks instance ${opsworksInstanceId}`, () =>
      opsWorksOnce.send(new DeregisterInstanceCommand({ InstanceId: opsworksInstanceId }), { abortSignal: signal }),
    );
    return true;
  } catch (cause) {
    if (isNamed(cause, 'ResourceNotFoundException')) return false;
    if (!isNamed(cause, 'ValidationException')) throw cause;
    const sentence = `OpsWorks refuses to deregister ${opsworksInstanceId}: ${quoted(cause.message)}.`;
    throw new RegistrationFailed(sentence, { cause });
  }
}

async function describe(
  about: { StackId: string } | { InstanceIds: string[] },
  what: string,
  signal: AbortSignal,
  client: OpsWorksClient,
): Promise<OpsWorksInstance[]> {
  const { Instances } = await refusing(what, () => client.send(new DescribeInstancesCommand(about), forPage(signal)));
  return Instances ?? [];
}

async function refusing<Output>(what: string, call: () => Promise<Output>): Promise<Output> {
  try {
    return await calling(what, call);
  } catch (cause) {
    if (isNamed(cause, 'ResourceNotFoundException'))
      throw new DependencyMissing(
        `OpsWorks refuses to ${what}: ${quoted(cause.message)}. Correct stackId and layerIds in profiles.yml.`,
        { cause },
      );
    if (!isNamed(cause, 'ValidationException')) throw cause;
    throw new RegistrationFailed(`OpsWorks refuses to ${what}: ${quoted(cause.message)}.`, { cause });
  }
}
