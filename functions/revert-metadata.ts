import { namedIn, parseRevertRequest, type RevertRequest } from '../events/request.ts';
import { home, profiles, requireOurRegion } from '../lib/config.ts';
import { ClaimedElsewhere, InstanceGone, InvalidRequest, MetadataOptionsPending } from '../lib/errors.ts';
import { type Instance, ledgerKey, type MetadataOptions } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { WantedOptions } from '../lib/profile.ts';
import { answer, type Call } from '../lib/task.ts';
import { matchProfile } from '../profiles/match.ts';
import { profileVersion } from '../profiles/version.ts';
import { findInstance, updateMetadataOptions } from '../services/instances.ts';
import { findItem, record } from '../services/ledger.ts';
import { isRunning } from '../services/state-machines.ts';

/** What a person who asks for it is told. */
interface Reverted {
  readonly instance: string;
  /** `pending`: the service has taken the options and not applied them yet. */
  readonly state: 'pending' | 'applied';
  /** What they were before, and are again; null is left as it is, for nobody knows what it was. */
  readonly metadataOptions: Omit<MetadataOptions, 'state'>;
  readonly message: string;
}

/**
 * Puts the metadata options of an instance back to what they were before Muster first changed them, on request, and has
 * the sweep leave them so until the instance's profile changes. Asked again, it says whether the service has applied them.
 */
export const handler = answer(async (event, call): Promise<Reverted> => {
  const instance = await described(parseRevertRequest(event), call);
  const item = await recorded(instance, call);
  const before = optionsBefore(instance, item);
  // The sweep is told first: what it finds in between it would harden again.
  await markReverted(instance, item, call);
  const isBack = differing(before, instance.metadataOptions).length === 0;
  if (!isBack) await putBack(instance, before, call);
  const state = isBack && instance.metadataOptions.state !== 'pending' ? 'applied' : 'pending';
  call.log('Put back the metadata options', { instance: item.instance, state, before });
  const { state: _, ...metadataOptions } = before;
  return { instance: instance.instanceId, state, metadataOptions, message: MESSAGES[state] };
});

const MESSAGES = {
  pending: 'The service has taken the options and applies them: ask again in a few seconds to see that it has.',
  applied: 'The options are what they were before Muster, and stay so until the profile of the instance changes.',
} as const;

async function described(request: RevertRequest, call: Call): Promise<Instance> {
  const which = namedIn(request, home());
  requireOurRegion(which.region);
  const found = await findInstance(which, call.signal);
  if (found && found.state !== 'shutting-down' && found.state !== 'terminated') return found.instance;
  const service = which.platform === 'ec2' ? 'EC2' : 'Lightsail';
  throw new InstanceGone(
    `${service} has no ${which.instanceId} in ${which.region}: there is nothing to put back. Correct the name or its region.`,
  );
}

/** @throws InvalidRequest without a record of this instance; ClaimedElsewhere while an execution has it */
async function recorded(instance: Instance, call: Call): Promise<LedgerItem> {
  const { instanceId, platform, launchTime } = instance;
  const item = await findItem(ledgerKey(instance), call.signal);
  if (!item) throw new InvalidRequest(`The ledger does not know ${instanceId}: Muster has changed nothing of it.`);
  if (platform === 'lightsail' && item.launchTime !== launchTime)
    throw new InvalidRequest(
      `The ledger's ${instanceId} was launched at ${item.launchTime}, this one at ${launchTime}: Muster has changed nothing of it.`,
    );
  const isTaken = item.status === 'enrolling' || item.status === 'retiring';
  if (isTaken && (await isRunning(item.execution, call.signal)))
    throw new ClaimedElsewhere(
      `${instanceId} is ${item.status}: ${item.execution} has it. Ask again when it has ended.`,
    );
  return item;
}

/** @throws InvalidRequest where nobody knows what they were */
function optionsBefore({ instanceId }: Instance, { metadataBefore }: LedgerItem): Before {
  if (!metadataBefore)
    throw new InvalidRequest(
      `The ledger has no metadata options of ${instanceId} from before: Muster has not changed them.`,
    );
  const { httpTokens } = metadataBefore;
  if (httpTokens) return { ...metadataBefore, httpTokens };
  throw new InvalidRequest(
    `The ledger does not say what httpTokens of ${instanceId} was: its service had not told. Set it by hand.`,
  );
}

type Before = MetadataOptions & Pick<WantedOptions, 'httpTokens'>;
const OPTIONS = ['httpTokens', 'httpEndpoint', 'httpPutResponseHopLimit'] as const;

/** What is not as it was; what the service had not told is left as it is. */
function differing(before: Before, now: MetadataOptions) {
  return OPTIONS.filter((option) => before[option] !== null && before[option] !== now[option]);
}

async function markReverted(instance: Instance, item: LedgerItem, call: Call): Promise<void> {
  const profile = matchProfile(profiles(), instance, home());
  const version = profile ? profileVersion(profile) : (item.profileVersion ?? '');
  if (item.reverted?.profileVersion === version) return;
  const reverted = { at: new Date().toISOString(), profileVersion: version };
  await record({ instance: item.instance, generation: item.generation }, { reverted }, call.signal);
}

async function putBack(instance: Instance, before: Before, call: Call): Promise<void> {
  const { instanceId, metadataOptions } = instance;
  if (metadataOptions.state === 'pending')
    throw new MetadataOptionsPending(
      `The metadata options of ${instanceId} are still being changed. Ask again in a few seconds.`,
    );
  const changed = differing(before, metadataOptions);
  const wanted: WantedOptions = {
    httpTokens: before.httpTokens,
    ...(changed.includes('httpEndpoint') && before.httpEndpoint && { httpEndpoint: before.httpEndpoint }),
    ...(changed.includes('httpPutResponseHopLimit') &&
      before.httpPutResponseHopLimit && { httpPutResponseHopLimit: before.httpPutResponseHopLimit }),
  };
  await updateMetadataOptions(instance, wanted, call.signal);
}
