import { Instance } from '../lib/instance.ts';
import { Associate } from '../lib/servers.ts';
import { Association, Identity } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { confirmingServer } from '../services/config-servers/index.ts';

/** Waits until the configuration server has finished with the node, and takes what the node needs back. */
export const handler = task(
  { instance: Instance, associate: Associate, identity: Identity.nullable(), association: Association },
  ({ instance, associate, identity, association }, call): Promise<Association> =>
    confirmingServer(associate).confirm({ nodeName: instance.nodeName, instance, identity }, association, call.signal),
);
