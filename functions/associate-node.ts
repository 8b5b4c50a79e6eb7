import { Instance } from '../lib/instance.ts';
import { Associate } from '../lib/servers.ts';
import { type Association, Enrolment, Identity } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { recordingAsked } from '../services/associations.ts';
import { associatingServer } from '../services/config-servers/index.ts';

/** Has the configuration server take the node. */
export const handler = task(
  {
    instance: Instance,
    associate: Associate,
    identity: Identity.nullable(),
    // An execution that began before a deployment brings none: its association is known from the item's other attributes.
    enrolment: Enrolment.optional(),
  },
  async ({ instance, associate, identity, enrolment, task: { enteredTime: at } }, { signal }): Promise<Association> => {
    const node = { nodeName: instance.nodeName, instance, identity };
    const call = () => associatingServer(associate).associate(node, signal);
    const answer = enrolment
      ? await recordingAsked(enrolment, node, { server: associate, at }, call, signal)
      : await call();
    return { ...answer, isConfirmed: false };
  },
);
