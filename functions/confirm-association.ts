import { Instance } from '../lib/instance.ts';
import { Associate } from '../lib/servers.ts';
import { Association, Enrolment, Identity } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { recordingConfirmed } from '../services/associations.ts';
import { confirmingServer } from '../services/config-servers/index.ts';

/** Waits until the configuration server has finished with the node, and takes what the node needs back. */
export const handler = task(
  {
    instance: Instance,
    associate: Associate,
    identity: Identity.nullable(),
    association: Association,
    // An execution that began before a deployment brings none.
    enrolment: Enrolment.optional(),
  },
  async ({ instance, associate, identity, association, enrolment, task }, { signal }): Promise<Association> => {
    const node = { nodeName: instance.nodeName, instance, identity };
    const call = () => confirmingServer(associate).confirm(node, association, signal);
    const answer = enrolment
      ? await recordingConfirmed(enrolment, node, { server: associate, at: task.enteredTime }, call, signal)
      : await call();
    return { ...answer, isConfirmed: true };
  },
);
