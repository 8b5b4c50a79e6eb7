import { namedIn, parseRevertRequest } from '../events/request.ts';
import { profiles, requireOurRegion } from '../lib/compiled.ts';
import { InstanceGone, InstanceNotFound, MetadataOptionsPending } from '../lib/errors.ts';
import { type Instance, ledgerKey, type MetadataOptions } from '../lib/instance.ts';
import { answer, type Invocation } from '../lib/task.ts';
import { matchProfile } from '../profiles/match.ts';
import { decideRevert, type Revert, type RevertFacts } from '../profiles/revert.ts';
import { findInstance, updateMetadataOptions } from '../services/instances.ts';
import { claimOf, findItem, record } from '../services/ledger.ts';
import { isOwned } from '../services/ownership.ts';

/** The answer to the person who invokes the function. */
interface Reverted {
  readonly instance: string;
  readonly state: Revert['state'];
  /** The options before Muster, which are restored. A null option was not known and is left as it is. */
  readonly metadataOptions: Omit<MetadataOptions, 'state'>;
  readonly message: string;
}

/**
 * Puts the metadata options of an instance back to what they were before Muster first changed them, on request. The sweep
 * leaves them alone until the instance's profile changes. A second invocation says whether the service has applied them.
 */
export const handler = answer(async (event, call): Promise<Reverted> => {
  const facts = await gather(event, call);
  const { instance } = facts;
  const revert = decideRevert(facts);
  // The mark comes first: a sweep in between would harden the instance again.
  await mark(revert, instance, call);
  await putBack(revert, instance, call);
  const { state, before } = revert;
  call.log('Put back the metadata options', { instance: ledgerKey(instance), state, before });
  const { state: _, ...metadataOptions } = before;
  return { instance: instance.instanceId, state, metadataOptions, message: MESSAGES[state] };
});

const MESSAGES = {
  pending:
    'The service has accepted the options. Invoke this again in a few seconds to see whether it has applied them.',
  applied: 'The options are what they were before Muster, and stay so until the profile of the instance changes.',
} as const;

async function gather(event: unknown, { signal }: Invocation): Promise<RevertFacts> {
  const which = namedIn(parseRevertRequest(event));
  requireOurRegion(which.region);
  const found = await findInstance(which, signal);
  if (!found) {
    const service = which.platform === 'ec2' ? 'EC2' : 'Lightsail';
    throw new InstanceNotFound(
      `${service} does not show ${which.instanceId} in ${which.region} now, which may pass. Try again in five minutes; if ` +
        'it still does not, correct the name or its region.',
    );
  }
  const { instance, state } = found;
  if (state === 'shutting-down' || state === 'terminated')
    throw new InstanceGone(`${which.instanceId} is ${state}: there is nothing to put back.`);
  const item = await findItem(ledgerKey(instance), signal);
  const profile = matchProfile(profiles(), instance);
  return { instance, item, profile, isOwned: item !== undefined && (await isOwned(item, signal)) };
}

async function mark({ item, markFor }: Revert, instance: Instance, { signal }: Invocation): Promise<void> {
  if (markFor === null) return;
  const owner = claimOf({ ledgerKey: ledgerKey(instance), generation: item.generation });
  await record(owner, { reverted: { at: new Date().toISOString(), profileVersion: markFor } }, signal);
}

async function putBack({ change }: Revert, instance: Instance, { signal }: Invocation): Promise<void> {
  if (!change) return;
  if (instance.metadataOptions.state !== 'pending') {
    await updateMetadataOptions(instance, change, signal);
    return;
  }
  throw new MetadataOptionsPending(
    `The metadata options of ${instance.instanceId} are still being changed. Try again in a few seconds.`,
  );
}
