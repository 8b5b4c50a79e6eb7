import { RegistrationPending } from '../lib/errors.ts';
import { Register } from '../lib/profiles.ts';
import { Enrolment, Identity, Instance } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { findItem, record } from '../services/ledger.ts';
import { findRegistration, registerInstance } from '../services/opsworks-stacks.ts';

/** Longer than this function may run: an attempt that has not answered by then never will. */
const ATTEMPT_SECONDS = 60;

/**
 * Registers the instance with its stack, once. RegisterInstance takes no client token and makes a second record of the
 * same instance, so an attempt says in the ledger that it is about to call, and looks before it does:
 *
 *   attempt 1   says so ── looks: absent ── RegisterInstance ──► … killed before it answers
 *   attempt 2                  waits until ATTEMPT_SECONDS are over ── looks: there it is ──► the same answer
 */
export const handler = task(
  { instance: Instance, enrolment: Enrolment, register: Register, identity: Identity },
  async ({ instance, enrolment, register, identity, task: { enteredTime } }, call) => {
    const owner = { instance: enrolment.ledgerKey, generation: enrolment.generation };
    const found = await findRegistration(register.stackId, instance.instanceId, call.signal);
    if (found) return remember(found);
    const { registeringUntil } = (await findItem(owner.instance, call.signal)) ?? {};
    if (registeringUntil && registeringUntil > enteredTime)
      throw new RegistrationPending(
        `Another attempt may still be registering ${instance.instanceId}: it is looked for again after ${registeringUntil}.`,
      );
    await record(
      owner,
      { registeringUntil: new Date(Date.parse(enteredTime) + ATTEMPT_SECONDS * 1000).toISOString() },
      call.signal,
    );
    return remember(await registerInstance(register.stackId, instance, identity, call.signal));

    async function remember(opsworksInstanceId: string) {
      await record(owner, { opsworksInstanceId, registeringUntil: NEVER }, call.signal);
      return { opsworksInstanceId };
    }
  },
);

/** The instance is registered, and no attempt is under way. */
const NEVER = '1970-01-01T00:00:00.000Z';
