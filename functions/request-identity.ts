import { environment } from '../lib/config.ts';
import { traitsOf } from '../lib/engines.ts';
import { IdentityPending } from '../lib/errors.ts';
import { Instance } from '../lib/instance.ts';
import { Associate } from '../lib/servers.ts';
import type { Command } from '../lib/state.ts';
import { type Invocation, task } from '../lib/task.ts';
import { countingRejections } from '../services/identity/refusal.ts';
import { activationTag, findManagedNode, sendCommand } from '../services/run-command.ts';
import { untilTagsShow } from '../services/tag-conditions.ts';

/** Asks the node for its CSR and its identity document. The node makes its key itself, and keeps it. */
export const handler = task(
  { instance: Instance, associate: Associate.nullable() },
  async ({ instance, associate, task: { enteredTime } }, call): Promise<Command> => {
    const managedId = await managedIdOf(instance, call);
    const document = environment('COLLECT_IDENTITY_DOCUMENT');
    const parameters = {
      NodeName: instance.nodeName,
      Agent: (associate && traitsOf(associate).nodeKey?.agent) ?? 'any',
    };
    const commandId = await untilTagsShow(instance, enteredTime, () =>
      sendCommand(document, { ...instance, managedId }, parameters, call.signal),
    );
    if (commandId) return { commandId, managedId };
    throw new IdentityPending(
      `The Systems Manager agent of ${instance.instanceId} is not up yet. If it never is: check its instance profile.`,
    );
  },
);

/** Systems Manager knows an EC2 instance by its own id, and a Lightsail instance by the one that its activation gave it. */
async function managedIdOf(instance: Instance, call: Invocation): Promise<string> {
  const { platform, instanceId } = instance;
  if (platform === 'ec2') return instanceId;
  const managedId = await countingRejections(() => findManagedNode(instance, call.signal));
  if (managedId) return managedId;
  throw new IdentityPending(
    `The Lightsail instance ${instanceId} is no managed node of Systems Manager yet. Activate it with the tag ` +
      `muster-node=${activationTag(instance)}. To bring its CSR in the input instead, set csrFrom: request in its profile.`,
  );
}
