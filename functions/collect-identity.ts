import { accountId } from '../lib/config.ts';
import {
  IdentityOutdated,
  IdentityPending,
  IdentityRejected,
  IdentityUnproved,
  InstanceNotReady,
} from '../lib/errors.ts';
import { Instance } from '../lib/instance.ts';
import { Command, Enrolment, type Identity, type TaskContext, Waiting } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { decideBinding, diskOf, mayBeLate, retiredKeysWith } from '../profiles/re-image.ts';
import { secondsBetween } from '../profiles/waiting.ts';
import { replacementsOf, requireSameDisk } from '../services/ec2.ts';
import { compiledKeys } from '../services/identity/certificates.ts';
import { readIdentity, takesOnlyRsa } from '../services/identity/index.ts';
import { countingRejections } from '../services/identity/refusal.ts';
import { anotherKey, bindKey, keepKey, rebindKey, retiredKey } from '../services/key-bindings.ts';
import { claimOf } from '../services/ledger.ts';
import { holdingKey } from '../services/node-keys.ts';
import { commandResult } from '../services/run-command.ts';

/** How long to retry an outdated document. EC2 is unlikely to replace it later than this. */
const ASKED_AGAIN_FOR_SECONDS = 300;

/** Takes the node's answer, checks it, and binds its key to the instance. */
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
      const { publicKeyFingerprint } = identity;
      const binding = { publicKeyFingerprint, instance, enrolment, task };
      await holdingKey(claimOf(enrolment), publicKeyFingerprint, () => bind(binding, call.signal), call.signal);
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

interface Binding {
  readonly publicKeyFingerprint: string;
  readonly instance: Instance;
  readonly enrolment: Enrolment;
  readonly task: TaskContext;
}

/**
 * The first key wins until the control plane proves that the disk was replaced. EC2 is asked after the node has answered: the
 * key is on the root volume that was attached before the node was asked and still is.
 * @throws IdentityRejected for a key that is not bound; InstanceNotReady while EC2 may not show the replacement yet
 */
async function bind({ publicKeyFingerprint, instance, enrolment, task }: Binding, signal: AbortSignal): Promise<void> {
  const owner = claimOf(enrolment);
  const shown = await requireSameDisk(instance, signal);
  const rootVolume = instance.rootVolume && {
    id: instance.rootVolume.id,
    seenAt: instance.describedAt ?? task.startTime,
  };
  const item = await bindKey(owner, { publicKeyFingerprint, rootVolume }, signal);
  if (!item) return;
  if (!rootVolume) throw anotherKey(owner.instance);
  const { replacedAt, isUnderWay } = await replacementsOf(instance, signal);
  const decision = decideBinding({
    item,
    publicKeyFingerprint,
    disk: diskOf(item, { ...shown, replacedAt }),
    isUnderWay,
    mayBeLate: mayBeLate(shown.rootVolume?.attachedAt ?? task.startTime, task.enteredTime),
  });
  const key = { publicKeyFingerprint, rootVolume };
  if (decision === 'keep') return await keepKey(owner, key, signal);
  if (decision === 'rebind' && replacedAt !== null)
    return await rebindKey(owner, item, { ...key, replacedAt, retiredKeys: retiredKeysWith(item) }, signal);
  if (decision === 'not-yet')
    throw new InstanceNotReady(
      `${instance.instanceId} shows another key or root volume than the ledger, and EC2 may not show yet that its root volume was replaced.`,
    );
  throw decision === 'retired-key' ? retiredKey(owner.instance, rootVolume.id) : anotherKey(owner.instance);
}
