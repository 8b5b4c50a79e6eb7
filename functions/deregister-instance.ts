import { Register } from '../lib/profile.ts';
import { Retirement } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { deregisterInstance, findRegistrations } from '../services/opsworks-stacks.ts';

/** Takes the instance out of its OpsWorks stack, under whatever ids the stack has it. */
export const handler = task(
  { retirement: Retirement, register: Register },
  async ({ retirement: { instanceId }, register: { stackId } }, call) => {
    const registrations = await findRegistrations(stackId, instanceId, call.signal);
    for (const opsworksInstanceId of registrations) await deregisterInstance(opsworksInstanceId, call.signal);
    return { deregistered: registrations };
  },
);
