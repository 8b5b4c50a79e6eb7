import {
  ClaimedElsewhere,
  InstanceGone,
  InstanceNotFound,
  InvalidRequest,
  MetadataOptionsPending,
} from '../lib/errors.ts';
import type { Found, Instance, InstanceRef, MetadataOptions } from '../lib/instance.ts';
import { isSameInstance, type LedgerItem } from '../lib/ledger-item.ts';
import type { Profile, WantedOptions } from '../lib/profile.ts';
import { profileVersion } from './version.ts';

export interface RevertFacts {
  readonly instance: Instance;
  /** The instance's ledger item. */
  readonly item: LedgerItem | undefined;
  /** Whether an execution works on the instance at the moment. */
  readonly isOwned: boolean;
  /** The profile that matches the instance now. */
  readonly profile: Profile | undefined;
}

export interface Revert {
  readonly item: LedgerItem;
  /** The options before Muster first changed them. */
  readonly before: MetadataOptions;
  /** The profile version to record with the mark that stops the sweep from hardening again; null if it is recorded. */
  readonly markFor: string | null;
  /** The options to send; null if the instance has them all. */
  readonly change: WantedOptions | null;
  /** `applied`: the service reports the old options; `pending`: it still has to apply them. */
  readonly state: 'pending' | 'applied';
}

/** For the person who asked, by the revert's state. */
export const MESSAGES = {
  pending:
    'The service has accepted the options. Invoke this again in a few seconds to see whether it has applied them.',
  applied: 'The options are what they were before Muster, and stay so until the profile of the instance changes.',
} as const satisfies Record<Revert['state'], string>;

/** The instance, if it is there. @throws InstanceNotFound while its service does not show it, InstanceGone once it has ended */
export function requireThere(found: Found | undefined, { platform, instanceId, region }: InstanceRef): Instance {
  if (!found) {
    const service = platform === 'ec2' ? 'EC2' : 'Lightsail';
    throw new InstanceNotFound(
      `${service} does not show ${instanceId} in ${region} now, which may pass. Try again in five minutes; if it still ` +
        'does not, correct the name or its region.',
    );
  }
  const { instance, state } = found;
  if (state === 'shutting-down' || state === 'terminated')
    throw new InstanceGone(`${instanceId} is ${state}: there is nothing to put back.`);
  return instance;
}

/** @throws MetadataOptionsPending while the service applies an earlier change */
export function requireChangeable({ instanceId, metadataOptions }: Instance): void {
  if (metadataOptions.state !== 'pending') return;
  throw new MetadataOptionsPending(
    `The metadata options of ${instanceId} are still being changed. Try again in a few seconds.`,
  );
}

/**
 * Decides how to put the metadata options of an instance back to what they were before Muster first changed them.
 * @throws InvalidRequest if the ledger has no such options of this instance; ClaimedElsewhere while an execution owns it
 */
export function decideRevert({ instance, item, isOwned, profile }: RevertFacts): Revert {
  const { instanceId, launchTime, metadataOptions: now } = instance;
  if (!item) throw new InvalidRequest(`${instanceId} is not in the ledger: Muster has not changed it.`);
  if (!isSameInstance(item, instance))
    throw new InvalidRequest(
      `The ledger's ${instanceId} was launched at ${item.launchTime}, this one at ${launchTime}: Muster has not changed it.`,
    );
  if (isOwned)
    throw new ClaimedElsewhere(
      `${instanceId} is ${item.status}: ${item.execution} owns it. Try again when it has ended.`,
    );
  const before = optionsBefore(instanceId, item);
  const differing = OPTIONS.filter((option) => before[option] !== null && before[option] !== now[option]);
  const version = profile ? profileVersion(profile) : (item.profileVersion ?? '');
  const isBack = differing.length === 0;
  return {
    item,
    before,
    markFor: item.reverted?.profileVersion === version ? null : version,
    change: isBack ? null : changeTo(before, differing),
    state: isBack && now.state !== 'pending' ? 'applied' : 'pending',
  };
}

type KnownOptions = MetadataOptions & Pick<WantedOptions, 'httpTokens'>;

const OPTIONS = ['httpTokens', 'httpEndpoint', 'httpPutResponseHopLimit'] as const;

function optionsBefore(instanceId: string, { metadataBefore }: LedgerItem): KnownOptions {
  if (!metadataBefore)
    throw new InvalidRequest(
      `The ledger has no earlier metadata options of ${instanceId}: Muster has not changed them.`,
    );
  const { httpTokens } = metadataBefore;
  if (httpTokens) return { ...metadataBefore, httpTokens };
  throw new InvalidRequest(
    `The ledger has no earlier httpTokens of ${instanceId}, because its service did not report it. Set it by hand.`,
  );
}

/** httpTokens is always sent. An option that the service did not report before is left as it is. */
function changeTo(before: KnownOptions, differing: readonly (typeof OPTIONS)[number][]): WantedOptions {
  const { httpTokens, httpEndpoint, httpPutResponseHopLimit } = before;
  return {
    httpTokens,
    ...(differing.includes('httpEndpoint') && httpEndpoint && { httpEndpoint }),
    ...(differing.includes('httpPutResponseHopLimit') && httpPutResponseHopLimit && { httpPutResponseHopLimit }),
  };
}
