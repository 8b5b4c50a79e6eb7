import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { environment } from '../lib/config.ts';
import { ClaimedElsewhere } from '../lib/errors.ts';
import type { LedgerAssociation, LedgerItem } from '../lib/ledger-item.ts';
import { calling, isNamed } from './aws.ts';
import type { Claim } from './ledger.ts';
import { documents } from './ledger-writes.ts';

/**
 * What the ledger records of a node at each configuration server, by the server's identity.
 *
 *   (nothing) ──► asked ──► confirmed ──► undone
 *                   ├─────► refused            is never undone: what the server has there is not ours
 *                   └───────────────────► undone
 */
export type Associations = Readonly<Record<string, LedgerAssociation>>;

/**
 * The associations of an item; an item from before they were recorded one by one has those that its other attributes
 * prove.
 * @param idOf the identity of a server
 */
export function associationsOf(
  item: LedgerItem | undefined,
  idOf: (server: LedgerAssociation['server']) => string,
): Associations {
  if (!item) return {};
  if (item.associations) return item.associations;
  const { associate, publicKeyFingerprint, nodeName = item.instance } = item;
  // A key was bound before a node was ever presented to a server.
  if (!associate || publicKeyFingerprint === undefined) return {};
  const at = item.endedAt ?? item.claimedAt;
  return { [idOf(associate)]: { server: associate, nodeName, status: statusBefore(item), publicKeyFingerprint, at } };
}

function statusBefore({ status, errorName }: LedgerItem): LedgerAssociation['status'] {
  if (status === 'retired') return 'undone';
  if (status === 'enrolled') return 'confirmed';
  return errorName === 'AssociationFailed' ? 'refused' : 'asked';
}

/** Those that may still be at their servers, and are ours. */
export function toBeUndone(associations: Associations): [id: string, association: LedgerAssociation][] {
  return Object.entries(associations).filter(([, { status }]) => status === 'asked' || status === 'confirmed');
}

/**
 * Records one association as the owner of the instance. The others stay as they are, so that two tasks of one execution
 * lose nothing of each other's.
 * @param known all of the item's, for an item that has none recorded yet
 * @throws ClaimedElsewhere when the claim is lost. Source: DynamoDB UpdateItem.
 */
export async function recordAssociation(
  owner: Claim,
  id: string,
  association: LedgerAssociation,
  known: Associations,
  signal: AbortSignal,
): Promise<void> {
  try {
    await write(
      owner,
      { expression: 'SET #all.#id = :one', names: { '#id': id }, values: { ':one': association } },
      signal,
    );
  } catch (error) {
    // DynamoDB cannot set one entry of a map that is not there.
    if (!isNamed(error, 'ValidationException')) throw error;
    const all = { ...known, [id]: association };
    await write(
      owner,
      { expression: 'SET #all = if_not_exists(#all, :all)', names: {}, values: { ':all': all } },
      signal,
    );
    await write(
      owner,
      { expression: 'SET #all.#id = :one', names: { '#id': id }, values: { ':one': association } },
      signal,
    );
  }
}

interface Write {
  readonly expression: string;
  readonly names: Record<string, string>;
  readonly values: Record<string, unknown>;
}

async function write({ instance, generation }: Claim, { expression, names, values }: Write, signal: AbortSignal) {
  const command = new UpdateCommand({
    TableName: environment('LEDGER_TABLE'),
    Key: { instance },
    UpdateExpression: expression,
    ConditionExpression: '#generation = :generation',
    ExpressionAttributeNames: { '#all': 'associations', '#generation': 'generation', ...names },
    ExpressionAttributeValues: { ':generation': generation, ...values },
  });
  try {
    await calling(`write the associations of ${instance} to the ledger`, () =>
      documents.send(command, { abortSignal: signal }),
    );
  } catch (cause) {
    if (!isNamed(cause, 'ConditionalCheckFailedException')) throw cause;
    throw new ClaimedElsewhere(`Another execution has taken ${instance} in the meantime.`, { cause });
  }
}
