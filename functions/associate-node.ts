import { Instance } from '../lib/instance.ts';
import { Associate } from '../lib/servers.ts';
import { type Association, Identity } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { associatingServer } from '../services/config-servers/index.ts';

/** Has the configuration server take the node. */
export const handler = task(
  { instance: Instance, associate: Associate, identity: Identity.nullable() },
  ({ instance, associate, identity }, call): Promise<Association> =>
    associatingServer(associate).associate({ nodeName: instance.nodeName, instance, identity }, call.signal),
);
