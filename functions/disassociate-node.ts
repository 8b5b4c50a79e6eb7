import { Associate } from '../lib/servers.ts';
import { type Disassociation, Retirement } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { disassociatingServer } from '../services/config-servers/index.ts';

/** Has the configuration server forget the node. */
export const handler = task(
  { retirement: Retirement, associate: Associate },
  ({ retirement: { nodeName, instanceId }, associate }, call): Promise<Disassociation> =>
    disassociatingServer(associate).disassociate(nodeName ?? instanceId, call.signal),
);
