import { DeleteCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod';
import { environment } from '../lib/config.ts';
import { ClaimedElsewhere, IdentityRejected } from '../lib/errors.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import { calling, isNamed } from './aws.ts';
import { anotherKey, bindKey } from './key-bindings.ts';
import { type Claim, findItem } from './ledger.ts';
import { documents, get } from './ledger-writes.ts';

/**
 * Which instance has which key: two nodes with one key would be one node to a server.
 *
 *   key/SHA256 ──► i-0123456789abcdef0, as of generation 3
 *
 * The item is written before the key is bound to the instance, so that an attempt that fails in between leaves the key
 * reserved. It is valid while its holder has the key, or can still bind it in that generation.
 */
const KEY_PREFIX = 'key/';

const NodeKey = z.object({ holder: z.string(), generation: z.int() });
type NodeKey = z.infer<typeof NodeKey>;

/**
 * Binds the first key of an instance, until the instance is retired.
 * @throws what holdingKey throws; IdentityRejected when the instance has another key
 */
export async function bindNodeKey(owner: Claim, publicKeyFingerprint: string, signal: AbortSignal): Promise<void> {
  const bind = async () => {
    if (await bindKey(owner, { publicKeyFingerprint, rootVolume: null }, signal)) throw anotherKey(owner.instance);
  };
  await holdingKey(owner, publicKeyFingerprint, bind, signal);
}

/**
 * Reserves the key for the instance, then has it bound.
 * @throws IdentityRejected when another instance has the key; ClaimedElsewhere when the claim is lost, when another instance
 * wins a race for the key, or while the key's holder is being retired
 */
export async function holdingKey(
  owner: Claim,
  fingerprint: string,
  bind: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  await takeKey(owner, fingerprint, signal);
  try {
    await bind();
  } catch (error) {
    // The instance has another key. Release this one for its real owner.
    if (error instanceof IdentityRejected) await releaseKey(owner, fingerprint, signal);
    throw error;
  }
}

/** Gives back every key that the instance has, or has shown to a server. A key that a later claim has taken is left alone. */
export async function releaseKeysOf(owner: Claim, signal: AbortSignal): Promise<void> {
  const item = await findItem(owner.instance, signal);
  const shown = Object.values(item?.associations ?? {}).map(({ publicKeyFingerprint }) => publicKeyFingerprint);
  for (const fingerprint of new Set([item?.publicKeyFingerprint, ...(item?.retiredKeys ?? []), ...shown]))
    if (fingerprint) await releaseKey(owner, fingerprint, signal);
}

async function takeKey(owner: Claim, fingerprint: string, signal: AbortSignal): Promise<void> {
  // Retry once: the key may be released between our write and our read.
  for (let attempt = 0; attempt < 2; attempt++) {
    if (await put(owner, fingerprint, undefined, signal)) return;
    const former = NodeKey.safeParse(await get(`${KEY_PREFIX}${fingerprint}`, signal)).data;
    if (!former) continue;
    if (former.holder === owner.instance) throw new ClaimedElsewhere(`A later execution has taken ${owner.instance}.`);
    const holder = await findItem(former.holder, signal);
    if (isHeld(former, holder, fingerprint)) throw await refusal(owner, former.holder, holder, fingerprint, signal);
    if (await put(owner, fingerprint, former, signal)) return;
  }
  throw new ClaimedElsewhere(`${owner.instance} lost a race for its key. It will be tried again.`);
}

/**
 * Whether the holder has the key, or may still bind it: as its first one, or, while it is being enrolled on another root
 * volume, instead of its former one.
 */
function isHeld({ generation }: NodeKey, holder: LedgerItem | undefined, fingerprint: string): boolean {
  if (!holder || holder.status === 'retired') return false;
  const { publicKeyFingerprint: bound, status } = holder;
  if (bound === fingerprint) return true;
  return holder.generation === generation && (bound === undefined || status === 'enrolling');
}

async function refusal(
  { instance }: Claim,
  former: string,
  holder: LedgerItem | undefined,
  fingerprint: string,
  signal: AbortSignal,
): Promise<Error> {
  const own = await findItem(instance, signal);
  if (own?.publicKeyFingerprint !== undefined && own.publicKeyFingerprint !== fingerprint) return anotherKey(instance);
  if (holder?.status === 'retiring')
    return new ClaimedElsewhere(`${instance} waits for its key: ${former} has it, and is being retired.`);
  return new IdentityRejected(
    `${instance} is not enrolled: its key is the key of ${former}, and a server would take both for one node. If it was ` +
      `copied with an image, remove it from the image and from ${instance}; otherwise retire ${former} first.`,
    { rule: 'key-of-another' },
  );
}

/**
 * Whether the key is the owner's now.
 * @param former the item that is overwritten; undefined: none, or the owner's own
 * Source: DynamoDB PutItem.
 */
function put(owner: Claim, fingerprint: string, former: NodeKey | undefined, signal: AbortSignal): Promise<boolean> {
  const { instance: holder, generation } = owner;
  const ownOrNone = `attribute_not_exists(#holder) OR (${IS_HELD_BY} <= :generation)`;
  const command = new PutCommand({
    ...{
      TableName: environment('LEDGER_TABLE'),
      Item: { instance: `${KEY_PREFIX}${fingerprint}`, holder, generation },
    },
    ConditionExpression: former ? `${IS_HELD_BY} = :generation` : ownOrNone,
    ...valuesOf(former ?? { holder, generation }),
  });
  return holds(`take the key of ${holder} in the ledger`, () => documents.send(command, { abortSignal: signal }));
}

/** Source: DynamoDB DeleteItem. */
async function releaseKey(owner: Claim, fingerprint: string, signal: AbortSignal): Promise<void> {
  const { instance: holder, generation } = owner;
  const command = new DeleteCommand({
    ...{ TableName: environment('LEDGER_TABLE'), Key: { instance: `${KEY_PREFIX}${fingerprint}` } },
    ConditionExpression: `${IS_HELD_BY} <= :generation`,
    ...valuesOf({ holder, generation }),
  });
  await holds(`give back the key of ${holder} in the ledger`, () => documents.send(command, { abortSignal: signal }));
}

const IS_HELD_BY = '#holder = :holder AND #generation';

function valuesOf({ holder, generation }: NodeKey) {
  return {
    ExpressionAttributeNames: { '#holder': 'holder', '#generation': 'generation' },
    ExpressionAttributeValues: { ':holder': holder, ':generation': generation },
  };
}

/** Whether the condition of a write has held. */
async function holds(what: string, send: () => Promise<unknown>): Promise<boolean> {
  try {
    await calling(what, send);
    return true;
  } catch (error) {
    if (isNamed(error, 'ConditionalCheckFailedException')) return false;
    throw error;
  }
}
