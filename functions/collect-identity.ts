import { IdentityPending, IdentityRejected } from '../lib/errors.ts';
import { Command, Enrolment, type Identity, Instance } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { readIdentity } from '../services/identity.ts';
import { bindKey } from '../services/ledger.ts';
import { commandResult } from '../services/run-command.ts';

/** Takes the node's answer, checks it, and binds its key to the instance: the first key wins. */
export const handler = task(
  { instance: Instance, enrolment: Enrolment, command: Command },
  async ({ instance, enrolment, command }, call): Promise<Identity> => {
    const { instanceId } = instance;
    const result = await commandResult(command.commandId, instanceId, call.signal);
    if (result.outcome === 'running' || result.outcome === 'lost')
      throw new IdentityPending(`${instanceId} has not answered with its CSR: its command is ${result.status}.`);
    if (result.outcome === 'failed')
      throw new IdentityRejected(`${instanceId} could not make its CSR: ${result.errorOutput.slice(0, 200)}`);
    const identity = await readIdentity(result.output, instance);
    await bindKey(
      { instance: enrolment.ledgerKey, generation: enrolment.generation },
      identity.publicKeyFingerprint,
      call.signal,
    );
    return identity;
  },
);
