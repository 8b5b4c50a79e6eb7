import { associationsOf, serverId } from '../lib/associations.ts';
import { Associate } from '../lib/servers.ts';
import { Disassociation, Retirement } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { recordAssociation } from '../services/associations.ts';
import { forgettingServer } from '../services/config-servers/index.ts';
import { claimOf, findItem } from '../services/ledger.ts';

/** Waits until the configuration server has really forgotten the node, and answers with the servers that are left. */
export const handler = task(
  { retirement: Retirement, associate: Associate, disassociation: Disassociation.pick({ statusToken: true }) },
  async ({ retirement, associate, disassociation, task: { enteredTime: at } }, { signal }): Promise<Associate[]> => {
    const owner = claimOf(retirement);
    const id = serverId(associate);
    const known = associationsOf(await findItem(owner.instance, signal));
    const association = known[id];
    if (association && association.status !== 'refused' && association.status !== 'undone') {
      await forgettingServer(associate).confirmDisassociation(association.nodeName, disassociation, signal);
      await recordAssociation(owner, id, { ...association, status: 'undone', at }, known, signal);
    }
    return retirement.undoing.left.filter((server) => serverId(server) !== id);
  },
);
