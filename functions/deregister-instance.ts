import { Register } from '../lib/profile.ts';
import { Retirement } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { deregisterInstance, findRegistrations, isFromAttempt } from '../services/opsworks-stacks.ts';

/**
 * Takes the instance out of its OpsWorks stack, under the id that the ledger recorded; if an answer was lost and there is
 * none, under those that the stack has had for it since our attempt.
 */
export const handler = task(
  { retirement: Retirement, register: Register },
  async ({ retirement, register: { stackId } }, { signal }) => {
    const { instanceId, opsworksInstanceId, registeringUntil } = retirement;
    const known = await findRegistrations(stackId, instanceId, signal);
    const ours = known.filter((one) =>
      opsworksInstanceId === null ? isFromAttempt(one, registeringUntil) : one.id === opsworksInstanceId,
    );
    for (const { id } of ours) await deregisterInstance(id, signal);
    return { deregistered: ours.map(({ id }) => id) };
  },
);
