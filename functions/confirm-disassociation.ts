import { Associate } from '../lib/servers.ts';
import { Disassociation, Retirement } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { forgettingServer } from '../services/config-servers/index.ts';

/** Waits until the configuration server has really forgotten the node. */
export const handler = task(
  { retirement: Retirement, associate: Associate, disassociation: Disassociation },
  async ({ retirement: { nodeName, instanceId }, associate, disassociation }, call) => {
    await forgettingServer(associate).confirmDisassociation(nodeName ?? instanceId, disassociation, call.signal);
    return { disassociated: true };
  },
);
