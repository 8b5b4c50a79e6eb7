import { environment } from '../lib/config.ts';
import { IdentityPending } from '../lib/errors.ts';
import { Associate, agentOf } from '../lib/profiles.ts';
import { type Command, Instance } from '../lib/state.ts';
import { type Call, task } from '../lib/task.ts';
import { countingRejections } from '../services/identity/refusal.ts';
import { findManagedNode, sendCommand } from '../services/run-command.ts';

/** Asks the node for its CSR and its identity document. The node makes its key itself, and keeps it. */
export const handler = task(
  { instance: Instance, associate: Associate.nullable() },
  async ({ instance, associate }, call): Promise<Command> => {
    const managedId = await managedIdOf(instance, call);
    const parameters = { NodeName: instance.nodeName, Agent: agentOf(associate) };
    const commandId = await sendCommand(environment().COLLECT_IDENTITY_DOCUMENT, managedId, parameters, call.signal);
    if (commandId) return { commandId, managedId };
    throw new IdentityPending(
      `The Systems Manager agent of ${instance.instanceId} is not up yet. If it never is: check its instance profile.`,
    );
  },
);

/** Systems Manager knows an EC2 instance by its own id, and a Lightsail instance by the one that its activation gave it. */
async function managedIdOf({ platform, instanceId, launchTime }: Instance, call: Call): Promise<string> {
  if (platform === 'ec2') return instanceId;
  const managedId = await countingRejections(() => findManagedNode(instanceId, launchTime, call.signal));
  if (managedId) return managedId;
  throw new IdentityPending(
    `The Lightsail instance ${instanceId} is no managed node of Systems Manager yet. Activate it with the tag ` +
      `muster-node=${instanceId}, or bring its CSR: {"lightsailInstanceName":"${instanceId}","identity":{"csr":"…"}}.`,
  );
}
