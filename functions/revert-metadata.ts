import { namedIn, parseRevertRequest } from '../events/request.ts';
import { profiles, requireOurRegion } from '../lib/compiled.ts';
import { type Instance, ledgerKey, type MetadataOptions } from '../lib/instance.ts';
import { answer } from '../lib/task.ts';
import { matchProfile } from '../profiles/match.ts';
import {
  decideRevert,
  MESSAGES,
  type Revert,
  type RevertFacts,
  requireChangeable,
  requireThere,
} from '../profiles/revert.ts';
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
export const handler = answer(async (event, { signal, log }): Promise<Reverted> => {
  const facts = await gather(event, signal);
  const { instance } = facts;
  const revert = decideRevert(facts);
  // The mark comes first: a sweep in between would harden the instance again.
  await mark(revert, instance, signal);
  if (revert.change) {
    requireChangeable(instance);
    await updateMetadataOptions(instance, revert.change, signal);
  }
  const { state, before } = revert;
  log('Put back the metadata options', { instance: ledgerKey(instance), state, before });
  const { state: _, ...metadataOptions } = before;
  return { instance: instance.instanceId, state, metadataOptions, message: MESSAGES[state] };
});

async function gather(event: unknown, signal: AbortSignal): Promise<RevertFacts> {
  const ref = namedIn(parseRevertRequest(event));
  requireOurRegion(ref.region);
  const instance = requireThere(await findInstance(ref, signal), ref);
  const item = await findItem(ledgerKey(instance), signal);
  const profile = matchProfile(profiles(), instance);
  return { instance, item, profile, isOwned: item !== undefined && (await isOwned(item, signal)) };
}

async function mark({ item, markFor }: Revert, instance: Instance, signal: AbortSignal): Promise<void> {
  if (markFor === null) return;
  const owner = claimOf({ ledgerKey: ledgerKey(instance), generation: item.generation });
  await record(owner, { reverted: { at: new Date().toISOString(), profileVersion: markFor } }, signal);
}
