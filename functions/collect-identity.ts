import { accountId } from '../lib/config.ts';
import { IdentityOutdated, IdentityPending, IdentityRejected, IdentityUnproved } from '../lib/errors.ts';
import { Instance } from '../lib/instance.ts';
import { Command, Enrolment, type Identity, type TaskContext, Waiting } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { secondsBetween } from '../profiles/waiting.ts';
import { compiledKeys } from '../services/identity/certificates.ts';
import { readIdentity, takesOnlyRsa } from '../services/identity/index.ts';
import { countingRejections } from '../services/identity/refusal.ts';
import { claimOf } from '../services/ledger.ts';
import { bindNodeKey } from '../services/node-keys.ts';
import { commandResult } from '../services/run-command.ts';

/** How long to retry an outdated document. EC2 is unlikely to replace it later than this. */
const ASKED_AGAIN_FOR_SECONDS = 300;

/** Takes the node's answer, checks it, and binds its key to the instance: the first key wins. */
export const handler = task(
  // An execution that began before a deployment does not hand over what it waits for.
  { instance: Instance, enrolment: Enrolment, command: Command, waiting: Waiting.optional() },
  async ({ instance, enrolment, command: { commandId, managedId }, waiting, task }, call): Promise<Identity> => {
    const { instanceId } = instance;
    const result = await commandResult(commandId, { ...instance, managedId }, call.signal);
    if (result.outcome === 'running' || result.outcome === 'lost')
      throw new IdentityPending(`${instanceId} has not answered with its CSR: its command is ${result.status}.`);
    return countingRejections(async () => {
      if (result.outcome === 'failed')
        throw new IdentityRejected(`${instanceId} could not make its CSR; its script printed ${result.errorOutput}.`, {
          rule: 'answer',
        });
      const trust = { keys: compiledKeys(), now: task.enteredTime, accountId: accountId() };
      const policy = { ...trust, onlyRsa: takesOnlyRsa(enrolment), managedId };
      const identity = askingAgain(waiting, task, () => readIdentity(result.output, instance, policy));
      await bindNodeKey(claimOf(enrolment), identity.publicKeyFingerprint, call.signal);
      return identity;
    });
  },
);

/**
 * Retries a document that is older than the launch for some minutes, then throws IdentityUnproved: EC2 can change the launch
 * time, so an old document doesn't condemn the instance. A state machine from before `waiting` existed can't retry, so this
 * throws at once.
 */
function askingAgain<Read>(waiting: Waiting | undefined, { enteredTime }: TaskContext, read: () => Read): Read {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof IdentityOutdated)) throw cause;
    const since = waiting ? (waiting.outdatedSince ?? enteredTime) : null;
    if (since !== null && secondsBetween(since, enteredTime) < ASKED_AGAIN_FOR_SECONDS) throw cause;
    throw new IdentityUnproved(cause.message, { cause });
  }
}
