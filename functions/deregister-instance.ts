import { Register } from '../lib/profile.ts';
import { Retirement } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { deregisterInstance, findRegistrations } from '../services/opsworks-stacks.ts';

/**
 * Takes the instance out of its OpsWorks stack, under the id that the ledger recorded; where an answer was lost and there
 * is none, under those that the stack has for it since we asked.
 */
export const handler = task(
  { retirement: Retirement, register: Register },
  async ({ retirement: { instanceId, opsworksInstanceId }, register: { stackId } }, { signal }) => {
    const known = await findRegistrations(stackId, instanceId, signal);
    const registrations = known.filter((one) => opsworksInstanceId === null || one === opsworksInstanceId);
    for (const registration of registrations) await deregisterInstance(registration, signal);
    return { deregistered: registrations };
  },
);
