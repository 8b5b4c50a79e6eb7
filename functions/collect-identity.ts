import { IdentityPending, IdentityRejected } from '../lib/errors.ts';
import { Instance } from '../lib/instance.ts';
import { Command, Enrolment, type Identity } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { compiledKeys } from '../services/identity/certificates.ts';
import { readIdentity, takesOnlyRsa } from '../services/identity/index.ts';
import { countingRejections } from '../services/identity/refusal.ts';
import { bindKey, claimOf } from '../services/ledger.ts';
import { commandResult } from '../services/run-command.ts';

/** Takes the node's answer, checks it, and binds its key to the instance: the first key wins. */
export const handler = task(
  { instance: Instance, enrolment: Enrolment, command: Command },
  async ({ instance, enrolment, command: { commandId, managedId }, task }, call): Promise<Identity> => {
    const { instanceId } = instance;
    const result = await commandResult(commandId, { ...instance, managedId }, call.signal);
    if (result.outcome === 'running' || result.outcome === 'lost')
      throw new IdentityPending(`${instanceId} has not answered with its CSR: its command is ${result.status}.`);
    return countingRejections(async () => {
      if (result.outcome === 'failed')
        throw new IdentityRejected(`${instanceId} could not make its CSR; its script printed ${result.errorOutput}.`, {
          rule: 'answer',
        });
      const identity = readIdentity(result.output, instance, {
        keys: compiledKeys(),
        now: task.enteredTime,
        onlyRsa: takesOnlyRsa(enrolment),
        managedId,
      });
      await bindKey(claimOf(enrolment), identity.publicKeyFingerprint, call.signal);
      return identity;
    });
  },
);
