import { DeleteCommand, GetCommand, PutCommand, ScanCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod';
import { environment } from '../lib/config.ts';
import { ClaimedElsewhere, InvalidRequest } from '../lib/errors.ts';
import { calling, forPage, isNamed } from './aws.ts';
import { documents } from './ledger-writes.ts';

/**
 * Which Lightsail instance has which node name. Names of Lightsail tell upper case from lower case and may be given in
 * several Regions, names of nodes do not: BLOG-1 and blog-1 would be one node. An EC2 instance's node name is its id,
 * which no other instance has, and no Lightsail instance may have.
 *
 *   node/blog-1 ──► lightsail/eu-west-1/BLOG-1
 */
const NODE_NAME_PREFIX = 'node/';

/** Written when the names of every item from before have been recorded. */
const RECORDED = `${NODE_NAME_PREFIX}:recorded`;

const NodeName = z.object({ instance: z.string(), holder: z.string() });

/** Of an item of the ledger, as far as its name goes. Without a key its node was never presented under the name. */
const NamedItem = z.object({
  instance: z.string(),
  nodeName: z.string(),
  status: z.string(),
  publicKeyFingerprint: z.string(),
});

/**
 * Takes the node name for the instance; one that has it already keeps it.
 * @param holder the key of the instance's item in the ledger
 * @throws InvalidRequest when another instance has the name; ClaimedElsewhere while that one is being retired
 */
export async function takeNodeName(nodeName: string, holder: string, signal: AbortSignal): Promise<void> {
  await recordNamesFromBefore(signal);
  // A name that is given back between two looks is taken by the next.
  for (let attempt = 0; attempt < 2; attempt++) {
    if (await put(nodeName, holder, undefined, signal)) return;
    const former = NodeName.safeParse(await get(`${NODE_NAME_PREFIX}${nodeName}`, signal)).data?.holder;
    if (former === holder) return;
    if (former === undefined) continue;
    const { status } = z.object({ status: z.string() }).safeParse(await get(former, signal)).data ?? {};
    if (status === 'retiring')
      throw new ClaimedElsewhere(
        `${holder} waits for the node name ${nodeName}: ${former} has it, and is being retired.`,
      );
    if (status !== undefined && status !== 'retired') throw taken(nodeName, holder, former);
    if (await put(nodeName, holder, former, signal)) return;
  }
  throw taken(nodeName, holder, 'another instance');
}

/** Gives the name back, if the instance has it. Source: DynamoDB DeleteItem. */
export async function releaseNodeName(nodeName: string, holder: string, signal: AbortSignal): Promise<void> {
  try {
    await calling(`give back the node name ${nodeName} in the ledger`, () =>
      documents.send(
        new DeleteCommand({
          ...at(nodeName),
          ConditionExpression: '#holder = :holder',
          ExpressionAttributeNames: { '#holder': 'holder' },
          ExpressionAttributeValues: { ':holder': holder },
        }),
        { abortSignal: signal },
      ),
    );
  } catch (error) {
    if (!isNamed(error, 'ConditionalCheckFailedException')) throw error;
  }
}

function taken(nodeName: string, holder: string, former: string): InvalidRequest {
  return new InvalidRequest(
    `${holder} is not enrolled: its node name would be ${nodeName}, which is the name of ${former}. Servers do not tell ` +
      'upper case from lower case: give the instance another name, or retire the other one first.',
  );
}

/** Whether the name is the holder's now. Source: DynamoDB PutItem. */
async function put(
  nodeName: string,
  holder: string,
  former: string | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const condition =
    former === undefined
      ? { ConditionExpression: 'attribute_not_exists(#holder)' }
      : { ConditionExpression: '#holder = :former', ExpressionAttributeValues: { ':former': former } };
  const { TableName, Key } = at(nodeName);
  try {
    await calling(`take the node name ${nodeName} in the ledger`, () =>
      documents.send(
        new PutCommand({
          TableName,
          Item: { ...Key, holder },
          ExpressionAttributeNames: { '#holder': 'holder' },
          ...condition,
        }),
        { abortSignal: signal },
      ),
    );
    return true;
  } catch (error) {
    if (isNamed(error, 'ConditionalCheckFailedException')) return false;
    throw error;
  }
}

/**
 * Once in a ledger's life: records the names of the Lightsail instances that were enrolled before names were recorded. Of
 * two that have one name already, one that is enrolled keeps it.
 * Source: DynamoDB Scan.
 */
async function recordNamesFromBefore(signal: AbortSignal): Promise<void> {
  if (await get(RECORDED, signal)) return;
  const items: z.infer<typeof NamedItem>[] = [];
  let ExclusiveStartKey: Record<string, unknown> | undefined;
  do {
    const page = await calling('read the node names in the ledger', () =>
      documents.send(
        new ScanCommand({
          TableName: environment('LEDGER_TABLE'),
          ConsistentRead: true,
          ExclusiveStartKey,
          FilterExpression: 'begins_with(#instance, :lightsail)',
          ProjectionExpression: '#instance, nodeName, #status, publicKeyFingerprint',
          ExpressionAttributeNames: { '#instance': 'instance', '#status': 'status' },
          ExpressionAttributeValues: { ':lightsail': 'lightsail/' },
        }),
        forPage(signal),
      ),
    );
    for (const item of page.Items ?? []) {
      const { data } = NamedItem.safeParse(item);
      if (data && data.status !== 'retired') items.push(data);
    }
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey);
  const enrolledFirst = items.toSorted((a, b) => Number(b.status === 'enrolled') - Number(a.status === 'enrolled'));
  for (const { nodeName, instance } of enrolledFirst) await put(nodeName, instance, undefined, signal);
  await put(RECORDED.slice(NODE_NAME_PREFIX.length), 'muster', undefined, signal);
}

async function get(instance: string, signal: AbortSignal): Promise<Record<string, unknown> | undefined> {
  const { Item: item } = await calling(`read ${instance} from the ledger`, () =>
    documents.send(
      new GetCommand({ TableName: environment('LEDGER_TABLE'), Key: { instance }, ConsistentRead: true }),
      {
        abortSignal: signal,
      },
    ),
  );
  return item;
}

function at(nodeName: string) {
  return { TableName: environment('LEDGER_TABLE'), Key: { instance: `${NODE_NAME_PREFIX}${nodeName}` } };
}
