import { Instance } from '../lib/instance.ts';
import { Register } from '../lib/profile.ts';
import { Enrolment, Identity } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { beginRegistering, claimOf, findItem, record } from '../services/ledger.ts';
import { findRegistrations, registerInstance } from '../services/opsworks-stacks.ts';

/** Longer than this function may run: an attempt that has not answered by then never will. */
const ATTEMPT_SECONDS = 60;

/**
 * Registers the instance with its stack, once. RegisterInstance takes no client token and makes a second record of the
 * same instance, so an attempt looks first, and records that it is about to call:
 *
 *   attempt 1   looks: absent ── records that ── RegisterInstance ──► … killed before it answers
 *   attempt 2                  waits until ATTEMPT_SECONDS are over ── looks: there it is ──► the same answer
 *
 * What is there before any attempt of ours is another team's: it is assigned to the layers, and a retirement leaves it.
 */
export const handler = task(
  { instance: Instance, enrolment: Enrolment, register: Register, identity: Identity },
  async ({ instance, enrolment, register: { stackId }, identity, task: { enteredTime } }, call) => {
    const owner = claimOf(enrolment);
    let [opsworksInstanceId] = await findRegistrations(stackId, instance.instanceId, call.signal);
    if (opsworksInstanceId) {
      const registeredBy = await whoRegistered(owner.instance, opsworksInstanceId, call.signal);
      await record(owner, { opsworksInstanceId, registeredBy }, call.signal);
      return { opsworksInstanceId };
    }
    const until = new Date(Date.parse(enteredTime) + ATTEMPT_SECONDS * 1000).toISOString();
    await beginRegistering(owner, { now: enteredTime, until }, call.signal);
    opsworksInstanceId = await registerInstance(stackId, instance, identity, call.signal);
    await record(owner, { opsworksInstanceId, registeredBy: 'muster' }, call.signal);
    return { opsworksInstanceId };
  },
);

/** A registration that appeared after an attempt of ours is that attempt's; so is the one that the ledger has. */
async function whoRegistered(instance: string, found: string, signal: AbortSignal): Promise<'muster' | 'others'> {
  const item = await findItem(instance, signal);
  if (item?.opsworksInstanceId === found) return item.registeredBy ?? (item.registeringUntil ? 'muster' : 'others');
  return item?.opsworksInstanceId === undefined && item?.registeredBy === 'muster' ? 'muster' : 'others';
}
