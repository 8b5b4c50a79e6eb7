import { missed, SETTLED } from '../lib/absence.ts';
import { ServiceUnavailable } from '../lib/errors.ts';
import { Register } from '../lib/profile.ts';
import { Deregistration, Retirement } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { deregisterInstance, isFromAttempt, listRegistrations } from '../services/opsworks-stacks.ts';

/** `before`: the answer of the look before. An execution that began before a deployment brings none. */
const Input = { retirement: Retirement, register: Register, before: Deregistration.nullish() };

/**
 * Takes the instance out of its OpsWorks stack, under the id that the ledger recorded; if an answer was lost and there is
 * none, under those that the stack has had for it since our attempt. A stack that does not show it is asked again minutes
 * later.
 */
export const handler = task(
  Input,
  async ({ retirement, register: { stackId }, before, task }, { signal, log }): Promise<Deregistration> => {
    const { instanceId, opsworksInstanceId, registeringUntil } = retirement;
    const known = (await listRegistrations(stackId, instanceId, signal)) ?? [];
    const ours = known.filter((one) =>
      opsworksInstanceId === null ? isFromAttempt(one, registeringUntil) : one.id === opsworksInstanceId,
    );
    const deregistered: string[] = [];
    for (const { id } of ours) if (await deregisterInstance(id, signal)) deregistered.push(id);
    if (deregistered.length > 0) return { deregistered, ...SETTLED };
    const absence = missed(before?.absentSince, task.enteredTime);
    if (absence.absentSince === null) return { deregistered, ...SETTLED };
    const reason = `The stack ${stackId} has not shown ${instanceId} since ${absence.absentSince}, which a second look has to confirm.`;
    // An execution that began before a deployment has no state to wait in.
    if (before === undefined) throw new ServiceUnavailable(reason);
    log('Not yet', { reason });
    return { deregistered, ...absence };
  },
);
