import { DeleteCommand, GetCommand, PutCommand, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { environment } from '../lib/config.ts';
import { InvalidRequest } from '../lib/errors.ts';
import { type InstanceRef, ledgerKey } from '../lib/instance.ts';
import { faultsOf } from '../lib/schema-faults.ts';
import type { Hook } from '../lib/state.ts';
import { WaitingAction } from '../lib/waiting-action.ts';
import { findHook } from './auto-scaling.ts';
import { calling, forPage, isNamed, refusalOf } from './aws.ts';
import { documents } from './ledger-writes.ts';

const PREFIX = 'waiting/';
const INDEX = 'waiting';

/** Kept beyond the hook's limit, so that a look that comes late finds it. */
const KEPT_SECONDS = 24 * 3600;

/**
 * Writes that an action waits. What is known of the same or of a later action of the instance stays as it is.
 * Source: DynamoDB PutItem.
 */
export async function recordWaiting(
  action: Omit<WaitingAction, 'expiresAt' | 'waiting'>,
  signal: AbortSignal,
): Promise<void> {
  const expiresAt = Math.floor(Date.parse(action.since) / 1000) + action.globalTimeoutSeconds + KEPT_SECONDS;
  const Item = { instance: keyOf(action.subject), ...action, waiting: 'hook', expiresAt };
  await unlessRefused(`write to the ledger that ${action.subject} waits in its hook`, () =>
    documents.send(
      new PutCommand({
        TableName: environment('LEDGER_TABLE'),
        Item,
        ConditionExpression: 'attribute_not_exists(#instance) OR #since < :since',
        ExpressionAttributeNames: { '#instance': 'instance', '#since': 'since' },
        ExpressionAttributeValues: { ':since': action.since },
      }),
      { abortSignal: signal },
    ),
  );
}

/** A launch that waits in a hook of ours, before the hook's limits are known. */
interface WaitingLaunch extends Pick<WaitingAction, 'since' | 'seenAt' | 'execution'> {
  readonly instance: InstanceRef;
  readonly hook: Hook;
  readonly heartbeatAt?: string;
}

/**
 * Has the watch keep a launch alive, with the limits of its hook.
 * @returns the action; undefined if the group no longer has the hook
 */
export async function recordWaitingLaunch({ instance, hook, ...known }: WaitingLaunch, signal: AbortSignal) {
  const { region } = instance;
  const limits = await findHook(hook, region, signal);
  if (!limits) return undefined;
  const action = {
    subject: ledgerKey(instance),
    region,
    ...hook,
    transition: 'launching',
    ...limits,
    ...known,
  } as const;
  await recordWaiting(action, signal);
  return action;
}

/** The instance's item, or undefined. @throws InvalidRequest. Source: DynamoDB GetItem. */
export async function findWaiting(subject: string, signal: AbortSignal): Promise<WaitingAction | undefined> {
  const { Item } = await calling(`read from the ledger whether ${subject} waits in its hook`, () =>
    documents.send(
      new GetCommand({
        TableName: environment('LEDGER_TABLE'),
        Key: { instance: keyOf(subject) },
        ConsistentRead: true,
      }),
      { abortSignal: signal },
    ),
  );
  return Item && readAction(Item);
}

/**
 * Every action that is kept alive. One item that cannot be read must not keep the others from their heartbeats.
 * Source: DynamoDB Query, of an index that lags by moments.
 */
export async function listWaiting(signal: AbortSignal): Promise<{ actions: WaitingAction[]; faults: Error[] }> {
  const actions: WaitingAction[] = [];
  const faults: Error[] = [];
  let ExclusiveStartKey: Record<string, unknown> | undefined;
  do {
    const page = await calling('list from the ledger what waits in hooks', () =>
      documents.send(
        new QueryCommand({
          TableName: environment('LEDGER_TABLE'),
          IndexName: INDEX,
          KeyConditionExpression: '#waiting = :hook',
          ExpressionAttributeNames: { '#waiting': 'waiting' },
          ExpressionAttributeValues: { ':hook': 'hook' },
          ExclusiveStartKey,
        }),
        forPage(signal),
      ),
    );
    for (const item of page.Items ?? []) {
      const { data, error } = WaitingAction.safeParse(item);
      if (data) actions.push(data);
      else faults.push(unreadable(item, error));
    }
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey);
  return { actions, faults };
}

/** Records a heartbeat, the execution that answers the action, or that the watch keeps it alive again. */
export async function updateWaiting(
  action: Pick<WaitingAction, 'subject' | 'since'>,
  change: Pick<WaitingAction, 'heartbeatAt'> | Pick<WaitingAction, 'execution'> | Pick<WaitingAction, 'waiting'>,
  signal: AbortSignal,
): Promise<void> {
  const [[name, value] = []] = Object.entries(change);
  await changeAction(action, 'SET #name = :value', { '#name': name }, { ':value': value }, signal);
}

/** Records that no execution answers the action after all. */
export async function removeExecution(
  action: Pick<WaitingAction, 'subject' | 'since'>,
  signal: AbortSignal,
): Promise<void> {
  await changeAction(action, 'REMOVE #name', { '#name': 'execution' }, {}, signal);
}

/** Leaves the hook to its time-out: the item is remembered, and no longer kept alive. */
export async function leaveToHook(
  action: Pick<WaitingAction, 'subject' | 'since'>,
  signal: AbortSignal,
): Promise<void> {
  await changeAction(action, 'REMOVE #name', { '#name': INDEX }, {}, signal);
}

/**
 * Removes the item of an action that is over.
 * @param before an action that began later is another one, and stays
 */
export async function removeWaiting(subject: string, before: string, signal: AbortSignal): Promise<void> {
  await unlessRefused(`remove from the ledger that ${subject} waits in its hook`, () =>
    documents.send(
      new DeleteCommand({
        TableName: environment('LEDGER_TABLE'),
        Key: { instance: keyOf(subject) },
        ConditionExpression: 'attribute_not_exists(#instance) OR #since <= :before',
        ExpressionAttributeNames: { '#instance': 'instance', '#since': 'since' },
        ExpressionAttributeValues: { ':before': before },
      }),
      { abortSignal: signal },
    ),
  );
}

/** After its launch was completed. What cannot be removed now, the watch removes: the launch is over all the same. */
export async function endWaiting(
  subject: string,
  completedAt: string,
  { signal, log }: { signal: AbortSignal; log: (message: string, extra: Record<string, unknown>) => void },
): Promise<void> {
  try {
    await removeWaiting(subject, completedAt, signal);
  } catch (error) {
    log('The watch will find that the launch is over', { reason: refusalOf(error) });
  }
}

/** Changes the item while it is about the same action. */
async function changeAction(
  { subject, since }: Pick<WaitingAction, 'subject' | 'since'>,
  UpdateExpression: string,
  names: Record<string, string | undefined>,
  values: Record<string, unknown>,
  signal: AbortSignal,
): Promise<void> {
  await unlessRefused(`write to the ledger how ${subject} waits in its hook`, () =>
    documents.send(
      new UpdateCommand({
        TableName: environment('LEDGER_TABLE'),
        Key: { instance: keyOf(subject) },
        UpdateExpression,
        ConditionExpression: '#since = :since',
        ExpressionAttributeNames: { '#since': 'since', ...(names as Record<string, string>) },
        ExpressionAttributeValues: { ':since': since, ...values },
      }),
      { abortSignal: signal },
    ),
  );
}

/** A write whose condition fails is about an action that another one has replaced: there is nothing to write. */
async function unlessRefused(what: string, write: () => Promise<unknown>): Promise<void> {
  try {
    await calling(what, write);
  } catch (error) {
    if (!isNamed(error, 'ConditionalCheckFailedException')) throw error;
  }
}

function keyOf(subject: string): string {
  return `${PREFIX}${subject}`;
}

function readAction(item: Record<string, unknown>): WaitingAction {
  const { data, error } = WaitingAction.safeParse(item);
  if (data) return data;
  throw unreadable(item, error);
}

function unreadable(item: Record<string, unknown>, cause: Parameters<typeof faultsOf>[0]): InvalidRequest {
  return new InvalidRequest(
    `The ledger's item ${item.instance} is not as Muster writes it (${faultsOf(cause)}). Remove it: the watch writes it again.`,
    { cause },
  );
}
