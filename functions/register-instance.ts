import * as z from 'zod';
import { secondsUntilConfirmed } from '../lib/absence.ts';
import { DependencyMissing, PermissionDenied, RegistrationFailed, Throttled } from '../lib/errors.ts';
import { Instance } from '../lib/instance.ts';
import { Register } from '../lib/profile.ts';
import { Enrolment, Identity } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { beginRegistering, claimOf, findItem, record } from '../services/ledger.ts';
import {
  type FoundRegistration,
  findRegistrations,
  isFromAttempt,
  registerInstance,
} from '../services/opsworks-stacks.ts';

/** Longer than this function may run: an attempt that has not answered by then never will. */
const ATTEMPT_SECONDS = 60;

/**
 * Registers the instance with its stack, once. RegisterInstance takes no client token and makes a second record of the
 * same instance, so an attempt looks first, and records that it is about to call:
 *
 *   attempt 1   looks: absent ── records that ── RegisterInstance ──► … killed before it answers
 *   attempt 2                  waits until ATTEMPT_SECONDS are over ── looks: there it is ──► the same answer
 *
 * A registration that the ledger has and the stack does not show may only be missed: another is made once a second look,
 * minutes later, has missed it too. What is there before any attempt of ours is another team's: it is assigned to the
 * layers, and a retirement leaves it.
 */
export const handler = task(
  {
    ...{ instance: Instance, enrolment: Enrolment, register: Register, identity: Identity },
    /** Since when the stack does not show the registration. An execution that began before a deployment brings none. */
    unregisteredSince: z.iso.datetime().nullish(),
  },
  async ({ instance, enrolment, register: { stackId }, identity, unregisteredSince, task: { enteredTime } }, call) => {
    const owner = claimOf(enrolment);
    const [found] = await findRegistrations(stackId, instance.instanceId, call.signal);
    if (found) {
      const registeredBy = await whoRegistered(owner.instance, found, call.signal);
      await record(owner, { opsworksInstanceId: found.id, registeredBy }, call.signal);
      return { opsworksInstanceId: found.id };
    }
    const until = new Date(Date.parse(enteredTime) + ATTEMPT_SECONDS * 1000).toISOString();
    const isGone = secondsUntilConfirmed(unregisteredSince, enteredTime) === 0;
    const before = await beginRegistering(owner, { now: enteredTime, until, isGone }, call.signal);
    let opsworksInstanceId: string;
    try {
      opsworksInstanceId = await registerInstance(stackId, instance, identity, call.signal);
    } catch (error) {
      // This attempt is over for sure, so the next need not wait for it. The answer to an earlier one may have been lost:
      // that one may have registered the instance.
      const isOthers = before !== 'muster';
      const over = { registeringUntil: enteredTime, ...(isOthers && { registeredBy: 'others' as const }) };
      if (isRefusal(error)) await record(owner, over, call.signal);
      throw error;
    }
    await record(owner, { opsworksInstanceId, registeredBy: 'muster' }, call.signal);
    return { opsworksInstanceId };
  },
);

/** A registration that appeared during an attempt of ours is that attempt's; so is the one that the ledger has. */
async function whoRegistered(
  instance: string,
  found: FoundRegistration,
  signal: AbortSignal,
): Promise<'muster' | 'others'> {
  const item = await findItem(instance, signal);
  const { opsworksInstanceId, registeredBy, registeringUntil } = item ?? {};
  if (opsworksInstanceId === found.id) return registeredBy ?? (registeringUntil ? 'muster' : 'others');
  const mayBeOurs = opsworksInstanceId === undefined && registeredBy === 'muster';
  return mayBeOurs && isFromAttempt(found, registeringUntil) ? 'muster' : 'others';
}

/** The stack has answered that it did not register the instance. A lost answer, or a failure, leaves that open. */
function isRefusal(error: unknown): boolean {
  return [RegistrationFailed, DependencyMissing, PermissionDenied, Throttled].some((kind) => error instanceof kind);
}
