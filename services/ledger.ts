import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod';
import { environment } from '../lib/config.ts';
import { ClaimedElsewhere, IdentityRejected } from '../lib/errors.ts';
import { calling, clientOptions, isNamed } from './aws.ts';

/**
 * The ledger: one item an instance. It holds who owns the instance and what is known of it.
 *
 *   claim ── generation n ──► writes of the owner carry n ──► outcome
 *     └── a later claim makes it n+1, and whoever still writes with n is refused (ClaimedElsewhere)
 */
const Item = z.object({
  /** `i-…` or `lightsail/NAME`. */
  instance: z.string(),
  status: z.enum(['enrolling', 'enrolled', 'failed']),
  /** ARN of the execution that owns, or last owned, the instance. */
  execution: z.string(),
  generation: z.int(),
  profile: z.string(),
  profileVersion: z.string(),
  nodeName: z.string(),
  launchTime: z.string().nullable(),
  /** SHA-256 of the key's SPKI. The first key wins. */
  publicKeyFingerprint: z.string().optional(),
  opsworksInstanceId: z.string().optional(),
  /** Until when an attempt may still be registering the instance. */
  registeringUntil: z.string().optional(),
  claimedAt: z.string(),
  endedAt: z.string().optional(),
  lastError: z.string().optional(),
});
export type LedgerItem = z.infer<typeof Item>;

/** Which item a task writes to, and as whom. */
export interface Claim {
  instance: string;
  generation: number;
}

const documents = DynamoDBDocumentClient.from(new DynamoDBClient(clientOptions), {
  marshallOptions: { removeUndefinedValues: true },
});

/** The instance's item, read consistently, or undefined. */
export async function findItem(
  instance: string,
  signal: AbortSignal,
  client = documents,
): Promise<LedgerItem | undefined> {
  const { Item: item } = await calling(`read the ledger's item of ${instance}`, () =>
    client.send(new GetCommand({ TableName: environment().LEDGER_TABLE, Key: { instance }, ConsistentRead: true }), {
      abortSignal: signal,
    }),
  );
  return item && Item.parse(item);
}

/**
 * Takes the instance for an execution, over the item as it was just read. The answer is the claim's generation.
 * @throws ClaimedElsewhere when somebody else was faster.
 */
export async function claim(
  seen: LedgerItem | undefined,
  next: Pick<
    LedgerItem,
    'instance' | 'execution' | 'profile' | 'profileVersion' | 'nodeName' | 'launchTime' | 'claimedAt'
  >,
  signal: AbortSignal,
  client = documents,
): Promise<number> {
  const generation = (seen?.generation ?? 0) + 1;
  const { instance, ...fields } = next;
  await update(
    instance,
    { ...fields, status: 'enrolling', generation },
    seen ? { equal: { generation: seen.generation } } : { absent: ['instance'] },
    ['endedAt', 'lastError'],
    signal,
    client,
  );
  return generation;
}

/**
 * Binds the node's key to the instance, once and for ever.
 * @throws IdentityRejected when another key is bound already; ClaimedElsewhere when the claim is lost.
 */
export async function bindKey(
  owner: Claim,
  publicKeyFingerprint: string,
  signal: AbortSignal,
  client = documents,
): Promise<void> {
  const bound = (await findItem(owner.instance, signal, client))?.publicKeyFingerprint;
  if (bound === publicKeyFingerprint) return;
  if (bound !== undefined) {
    throw new IdentityRejected(
      `${owner.instance} shows another key than the one it was first enrolled with. If the node was given a new key on purpose, ` +
        `remove publicKeyFingerprint from its item in the ledger and start the enrolment again.`,
    );
  }
  const condition = { equal: { generation: owner.generation }, absent: ['publicKeyFingerprint'] };
  await update(owner.instance, { publicKeyFingerprint }, condition, [], signal, client);
}

/** Writes what the owner has learnt. @throws ClaimedElsewhere when the claim is lost. */
export async function record(
  owner: Claim,
  fields: Partial<LedgerItem>,
  signal: AbortSignal,
  client = documents,
): Promise<void> {
  await update(owner.instance, fields, { equal: { generation: owner.generation } }, [], signal, client);
}

interface Condition {
  equal?: Record<string, number | string>;
  absent?: string[];
}

async function update(
  instance: string,
  set: Record<string, unknown>,
  condition: Condition,
  remove: string[],
  signal: AbortSignal,
  client: DynamoDBDocumentClient,
): Promise<void> {
  const sets = Object.entries(set).filter(([, value]) => value !== undefined);
  const equal = Object.entries(condition.equal ?? {});
  const absent = condition.absent ?? [];
  const names = new Set([...sets.map(([name]) => name), ...equal.map(([name]) => name), ...absent, ...remove]);
  const input = {
    TableName: environment().LEDGER_TABLE,
    Key: { instance },
    UpdateExpression:
      `SET ${sets.map(([name]) => `#${name} = :${name}`).join(', ')}` +
      (remove.length ? ` REMOVE ${remove.map((name) => `#${name}`).join(', ')}` : ''),
    ConditionExpression: [
      ...equal.map(([name]) => `#${name} = :was_${name}`),
      ...absent.map((name) => `attribute_not_exists(#${name})`),
    ].join(' AND '),
    ExpressionAttributeNames: Object.fromEntries([...names].map((name) => [`#${name}`, name])),
    ExpressionAttributeValues: Object.fromEntries([
      ...sets.map(([name, value]) => [`:${name}`, value]),
      ...equal.map(([name, value]) => [`:was_${name}`, value]),
    ]),
  };
  try {
    await calling(`write the ledger's item of ${instance}`, () =>
      client.send(new UpdateCommand(input), { abortSignal: signal }),
    );
  } catch (cause) {
    if (!isNamed(cause, 'ConditionalCheckFailedException')) throw cause;
    throw new ClaimedElsewhere(`Another execution has taken ${instance} in the meantime.`, { cause });
  }
}
