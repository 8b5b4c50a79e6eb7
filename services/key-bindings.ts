import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { environment } from '../lib/config.ts';
import { ClaimedElsewhere, IdentityRejected } from '../lib/errors.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import { calling, isNamed } from './aws.ts';
import { type Claim, findItem } from './ledger.ts';
import { type Comparison, documents, update } from './ledger-writes.ts';

/** A node's key, and the root volume that it is on; null where it is on none, or on one that is not known. */
export interface KeyOnDisk {
  readonly publicKeyFingerprint: string;
  /** `seenAt`: the volume was attached then, before the node showed its key. */
  readonly rootVolume: { readonly id: string; readonly seenAt: string } | null;
}

/**
 * Binds the node's key to the instance, once: of two attempts in one moment, one wins. Another key is bound only to another
 * disk: rebindKey.
 * @returns the item if it has another key, or a key of another root volume: nothing is bound then
 * @throws ClaimedElsewhere when the claim is lost
 */
export async function bindKey(
  owner: Claim,
  { publicKeyFingerprint, rootVolume }: KeyOnDisk,
  signal: AbortSignal,
): Promise<LedgerItem | undefined> {
  const onVolume: Comparison[] = rootVolume ? [['rootVolumeId', '=', rootVolume.id]] : [];
  const change = {
    // Written again where it is the same: that also holds the claim.
    set: { publicKeyFingerprint, ...(rootVolume && { rootVolumeId: rootVolume.id }) },
    setOnce: rootVolume ? { rootVolumeSeenAt: rootVolume.seenAt } : {},
    remove: [],
    condition: {
      equal: { generation: owner.generation },
      absentOr: [['publicKeyFingerprint', '=', publicKeyFingerprint] as const, ...onVolume],
    },
  };
  try {
    await update(owner.instance, change, signal);
    return undefined;
  } catch (error) {
    if (!(error instanceof ClaimedElsewhere)) throw error;
    const item = await findItem(owner.instance, signal);
    if (item?.generation !== owner.generation) throw error;
    return item;
  }
}

type OnVolume = KeyOnDisk & { readonly rootVolume: NonNullable<KeyOnDisk['rootVolume']> };

/**
 * Binds another key for another disk. The ledger takes it only over the key and the root volume of the item, for a
 * replacement that was complete after that volume was seen, and never a key that was retired.
 * @param replacedAt when EC2 finished the replacement
 * @throws ClaimedElsewhere when the item is not as it was read, or the write is no re-image
 */
export async function rebindKey(
  owner: Claim,
  item: LedgerItem,
  key: OnVolume & { readonly replacedAt: string; readonly retiredKeys: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  const { publicKeyFingerprint, rootVolume, replacedAt, retiredKeys } = key;
  await write(owner, {
    set: { ...bound(key), retiredKeys },
    conditions: [
      '#publicKeyFingerprint = :formerKey',
      '#publicKeyFingerprint <> :publicKeyFingerprint',
      '#rootVolumeId = :formerVolume',
      '#rootVolumeId <> :rootVolumeId',
      '#rootVolumeSeenAt < :replacedAt',
      NOT_RETIRED,
    ],
    values: {
      ':formerKey': item.publicKeyFingerprint ?? publicKeyFingerprint,
      ':formerVolume': item.rootVolumeId ?? rootVolume.id,
      ':replacedAt': new Date(replacedAt).toISOString(),
    },
    signal,
  });
}

/**
 * Records that the key that is bound is on another root volume, which proves nothing about the disk; binds the first key of
 * an instance that was enrolled without one.
 * @throws ClaimedElsewhere when another key is bound, or this one was retired
 */
export async function keepKey(owner: Claim, key: OnVolume, signal: AbortSignal): Promise<void> {
  const isBound = '(attribute_not_exists(#publicKeyFingerprint) OR #publicKeyFingerprint = :publicKeyFingerprint)';
  await write(owner, { set: bound(key), conditions: [isBound, NOT_RETIRED], values: {}, signal });
}

const NOT_RETIRED =
  '(attribute_not_exists(#retiredKeys) OR NOT contains(#retiredKeys, :publicKeyFingerprint) OR #rootVolumeId = :rootVolumeId)';

function bound({ publicKeyFingerprint, rootVolume: { id, seenAt } }: OnVolume) {
  return { publicKeyFingerprint, rootVolumeId: id, rootVolumeSeenAt: seenAt };
}

/** The refusal of a key that is not the bound one. */
export function anotherKey(instance: string): IdentityRejected {
  return new IdentityRejected(
    `${instance} shows another key than the one it was first enrolled with. If the node was given a new key on purpose, ` +
      'remove publicKeyFingerprint from its item in the ledger and start the enrolment again.',
    { rule: 'another-key' },
  );
}

/** The refusal of a key that was retired with a former root volume. */
export function retiredKey(instance: string, rootVolumeId: string): IdentityRejected {
  return new IdentityRejected(
    `${instance} shows on its root volume ${rootVolumeId} a key that was retired with a former one: the volume was restored ` +
      'from a snapshot, or attached again. Delete the key on the node and start the enrolment again: the node makes another one.',
    { rule: 'retired-key' },
  );
}

interface Write {
  readonly set: Readonly<Record<string, unknown>>;
  readonly conditions: readonly string[];
  readonly values: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
}

/** DynamoDB refuses names that no expression uses: every write here uses all of these. */
const NAMES = ['generation', 'publicKeyFingerprint', 'rootVolumeId', 'rootVolumeSeenAt', 'retiredKeys'];

/** Source: DynamoDB UpdateItem. */
async function write({ instance, generation }: Claim, { set, conditions, values, signal }: Write): Promise<void> {
  const command = new UpdateCommand({
    TableName: environment('LEDGER_TABLE'),
    Key: { instance },
    UpdateExpression: `SET ${Object.keys(set)
      .map((name) => `#${name} = :${name}`)
      .join(', ')}`,
    ConditionExpression: ['#generation = :generation', ...conditions].join(' AND '),
    ExpressionAttributeNames: Object.fromEntries(NAMES.map((name) => [`#${name}`, name])),
    ExpressionAttributeValues: {
      ':generation': generation,
      ...Object.fromEntries(Object.entries(set).map(([name, value]) => [`:${name}`, value])),
      ...values,
    },
  });
  try {
    await calling(`bind the key of ${instance} in the ledger`, () => documents.send(command, { abortSignal: signal }));
  } catch (cause) {
    if (!isNamed(cause, 'ConditionalCheckFailedException')) throw cause;
    throw new ClaimedElsewhere(`Another execution has written to ${instance} in the meantime.`, { cause });
  }
}
