import { Register } from '../lib/profile.ts';
import { Registration } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { assignInstance } from '../services/opsworks-stacks.ts';

/** Assigns the instance to its layers, once its agent has reported. */
export const handler = task(
  { register: Register, registration: Registration },
  async ({ register, registration: { opsworksInstanceId } }, call) => {
    const layerIds = register.layerIds ?? [];
    await assignInstance(opsworksInstanceId, layerIds, call.signal);
    return { layerIds };
  },
);
