import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { environment } from '../lib/config.ts';
import { ClaimedElsewhere } from '../lib/errors.ts';
import { calling, clientOptions, isNamed } from './aws.ts';

export const documents = DynamoDBDocumentClient.from(new DynamoDBClient(clientOptions), {
  marshallOptions: { removeUndefinedValues: true },
});

export async function get(instance: string, signal: AbortSignal) {
  const { Item: item } = await calling(`read the ledger's item of ${instance}`, () =>
    documents.send(
      new GetCommand({ TableName: environment('LEDGER_TABLE'), Key: { instance }, ConsistentRead: true }),
      {
        abortSignal: signal,
      },
    ),
  );
  return item;
}

/** What an attribute must be, against a value. */
export type Comparison = readonly [name: string, comparator: '=' | '<=', value: string];

export interface Change {
  set: Record<string, unknown>;
  /** Only what the item does not have yet. */
  setOnce?: Record<string, unknown>;
  remove: string[];
  condition: { equal?: Record<string, number | string>; absent?: string[]; absentOr?: readonly Comparison[] };
}

/** Changes an item. */
export async function update(instance: string, change: Change, signal: AbortSignal): Promise<void> {
  await send(instance, change, 'NONE', signal);
}

/** Changes an item, and returns it as it is then. A role that may not bind a key has no use for the attributes that do. */
export async function updateAndRead(instance: string, change: Change, signal: AbortSignal) {
  return send(instance, change, 'ALL_NEW', signal);
}

/** Changes an item, and returns what the attributes that it sets were before. */
export async function updateAndReadBefore(instance: string, change: Change, signal: AbortSignal) {
  return send(instance, change, 'UPDATED_OLD', signal);
}

async function send(
  instance: string,
  change: Change,
  ReturnValues: 'NONE' | 'ALL_NEW' | 'UPDATED_OLD',
  signal: AbortSignal,
) {
  const what = { TableName: environment('LEDGER_TABLE'), Key: { instance }, ...expressions(change), ReturnValues };
  try {
    const { Attributes } = await calling(`write the ledger's item of ${instance}`, () =>
      documents.send(new UpdateCommand(what), { abortSignal: signal }),
    );
    return Attributes;
  } catch (cause) {
    if (!isNamed(cause, 'ConditionalCheckFailedException')) throw cause;
    throw new ClaimedElsewhere(`Another execution has taken ${instance} in the meantime.`, { cause });
  }
}

/** DynamoDB's expressions, with a placeholder for every name: `status` alone is a reserved word. */
function expressions({ set, setOnce = {}, remove, condition: { equal = {}, absent = [], absentOr = [] } }: Change) {
  const values = Object.entries({ ...set, ...setOnce }).filter(([, value]) => value !== undefined);
  const sets = values.map(([name]) =>
    name in setOnce ? `#${name} = if_not_exists(#${name}, :${name})` : `#${name} = :${name}`,
  );
  const removes = remove.filter((name) => set[name] === undefined).map((name) => `#${name}`);
  const names = [
    ...values.map(([name]) => name),
    ...Object.keys(equal),
    ...absent,
    ...absentOr.map(([name]) => name),
    ...remove,
  ];
  return {
    UpdateExpression: [
      sets.length > 0 && `SET ${sets.join(', ')}`,
      removes.length > 0 && `REMOVE ${removes.join(', ')}`,
    ]
      .filter(Boolean)
      .join(' '),
    ConditionExpression: [
      ...Object.keys(equal).map((name) => `#${name} = :was_${name}`),
      ...absent.map((name) => `attribute_not_exists(#${name})`),
      ...absentOr.map(
        ([name, comparator]) => `(attribute_not_exists(#${name}) OR #${name} ${comparator} :was_${name})`,
      ),
    ].join(' AND '),
    ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
    ExpressionAttributeValues: {
      ...Object.fromEntries(values.map(([name, value]) => [`:${name}`, value])),
      ...Object.fromEntries(Object.entries(equal).map(([name, value]) => [`:was_${name}`, value])),
      ...Object.fromEntries(absentOr.map(([name, , value]) => [`:was_${name}`, value])),
    },
  };
}
