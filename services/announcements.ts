import { GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod';
import { environment } from '../lib/config.ts';
import { InvalidRequest } from '../lib/errors.ts';
import { EXEMPTIBLE } from '../lib/profile.ts';
import { faultsOf } from '../lib/schema-faults.ts';
import type { Hook } from '../lib/state.ts';
import { calling, isNamed } from './aws.ts';
import { documents } from './ledger-writes.ts';

/**
 * What our own functions know of an occasion, beside the instance's name: when it was, in which group, and what is to be
 * left out. It travels in the ledger under the name of the execution that answers the occasion, and never in the
 * execution's input, which any principal may write that may start an execution.
 *
 *   start-enrolment ── announcement/NAME ──► ledger ◄── ResolveProfile, by the name of its own execution
 *          └────────── StartExecution NAME {"instanceId": …} ──►
 */
export const Announcement = z.object({
  /** The key of the instance's own item. */
  subject: z.string(),
  /** The state machine that answers it: an execution of another one may bear the same name. */
  machine: z.string().optional(),
  /** `event`: an AWS service announced it; the others are our own functions. `watch` stands for an event that was lost. */
  by: z.enum(['event', 'watch', 'sweep', 'undo', 'move', 're-image']),
  /** The event's detail-type; of our own functions, a word for the log. */
  detailType: z.string(),
  eventId: z.string(),
  /** When it happened, ISO 8601: the earliest that a lifecycle hook can have begun to wait for it. */
  eventTime: z.string(),
  autoScalingGroupName: z.string().optional(),
  lifecycleHookName: z.string().optional(),
  /** `EC2`, `AutoScalingGroup` or `WarmPool`, where the event says it. */
  origin: z.string().optional(),
  destination: z.string().optional(),
  /** `ReplaceRootVolume`, where the event says that the instance stays and gets another root volume. */
  action: z.string().optional(),
  /** What its profile asks for and is not to be done this time. */
  leaveOut: z.array(z.enum(EXEMPTIBLE)).optional(),
  /** The generation of the claim that asks for it, so that an enrolment of later is not undone by an undo of before. */
  generation: z.int().optional(),
  /** The ledger's TTL, seconds since the epoch. */
  expiresAt: z.int(),
});
export type Announcement = z.infer<typeof Announcement>;

/** Longer than any execution that reads it may wait: two days in a lifecycle hook, ten of a retirement. */
const KEPT_DAYS = 14;

const ANNOUNCEMENT_PREFIX = 'announcement/';

/**
 * Writes what is known of an occasion, before its execution starts. The same occasion may be announced twice: what was
 * written first stays. Source: DynamoDB PutItem.
 * @param executionName the name under which the execution will be started
 */
export async function announce(
  executionName: string,
  announcement: Omit<Announcement, 'expiresAt'>,
  signal: AbortSignal,
): Promise<void> {
  const expiresAt = Math.floor(Date.parse(announcement.eventTime) / 1000) + KEPT_DAYS * 24 * 3600;
  const Item = { instance: `${ANNOUNCEMENT_PREFIX}${executionName}`, ...announcement, expiresAt };
  try {
    await calling(`write to the ledger what announced ${announcement.subject}`, () =>
      documents.send(
        new PutCommand({
          TableName: environment('LEDGER_TABLE'),
          Item,
          ConditionExpression: 'attribute_not_exists(#instance)',
          ExpressionAttributeNames: { '#instance': 'instance' },
        }),
        { abortSignal: signal },
      ),
    );
  } catch (error) {
    if (!isNamed(error, 'ConditionalCheckFailedException')) throw error;
  }
}

/**
 * What announced the execution; undefined for one that a person started.
 * @param execution its ARN
 * @param subject the key of the instance that its input names: another instance's announcement says nothing of this one
 * @throws InvalidRequest for an item that Muster has not written. Source: DynamoDB GetItem.
 */
export async function findAnnouncement(
  execution: string,
  subject: string,
  signal: AbortSignal,
): Promise<Announcement | undefined> {
  const key = `${ANNOUNCEMENT_PREFIX}${execution.slice(execution.lastIndexOf(':') + 1)}`;
  const { Item: item } = await calling(`read from the ledger what announced ${subject}`, () =>
    documents.send(
      new GetCommand({ TableName: environment('LEDGER_TABLE'), Key: { instance: key }, ConsistentRead: true }),
      { abortSignal: signal },
    ),
  );
  if (!item) return undefined;
  const { data, error } = Announcement.safeParse(item);
  if (!data)
    throw new InvalidRequest(
      `The ledger's item ${key} is not as Muster writes it (${faultsOf(error)}). Remove it and start the execution again.`,
      { cause: error },
    );
  const isForMachine = data.machine === undefined || data.machine === execution.split(':').at(-2);
  return isForMachine && data.subject === subject ? data : undefined;
}

/** The hook in which the announced launch waited. */
export function hookOf(announcement: Announcement | undefined): Hook | null {
  const { autoScalingGroupName, lifecycleHookName } = announcement ?? {};
  return autoScalingGroupName && lifecycleHookName ? { autoScalingGroupName, lifecycleHookName } : null;
}
