import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod';
import { associationsOf } from '../lib/associations.ts';
import { environment, home } from '../lib/config.ts';
import { ClaimedElsewhere, InvalidRequest, RegistrationMissing, RegistrationPending } from '../lib/errors.ts';
import type { MetadataOptions } from '../lib/instance.ts';
import { isSameInstance, LedgerItem } from '../lib/ledger-item.ts';
import { faultsOf } from '../lib/schema-faults.ts';
import { calling, forPage } from './aws.ts';
import {
  type Change,
  type Comparison,
  documents,
  get,
  update,
  updateAndRead,
  updateAndReadBefore,
} from './ledger-writes.ts';

/** Which item a task writes to, and as whom. */
export interface Claim {
  instance: string;
  generation: number;
}

/** As what the owner writes: every write of it names its generation. */
export function claimOf({ ledgerKey, generation }: { ledgerKey: string; generation: number }): Claim {
  return { instance: ledgerKey, generation };
}

/**
 * Items from before Muster served other Regions lack theirs: it is the stack's own.
 * @throws InvalidRequest for an item that Muster has not written, or not so.
 */
function readItem(item: Record<string, unknown> = {}): LedgerItem {
  const { data, error } = LedgerItem.safeParse({ ...item, region: item.region ?? home() });
  if (data) return data;
  throw new InvalidRequest(
    `The ledger's item ${item.instance} is not as Muster writes it (${faultsOf(error)}). Correct it, or remove it and ` +
      'start enrol-node for its instance.',
    { cause: error },
  );
}

/** The instance's item, read consistently, or undefined. @throws InvalidRequest */
export async function findItem(instance: string, signal: AbortSignal): Promise<LedgerItem | undefined> {
  const item = await get(instance, signal);
  return item && readItem(item);
}

/** Every instance's item, page by page. @throws InvalidRequest. Source: DynamoDB Scan. */
export async function* listItems(signal: AbortSignal): AsyncGenerator<LedgerItem[]> {
  let ExclusiveStartKey: Record<string, unknown> | undefined;
  do {
    const what = { TableName: environment('LEDGER_TABLE'), ConsistentRead: true, ExclusiveStartKey };
    const page = await calling('read the ledger', () => documents.send(new ScanCommand(what), forPage(signal)));
    yield (page.Items ?? []).filter(({ instance }) => isInstance(String(instance))).map((item) => readItem(item));
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey);
}

/** The ledger also has items of groups, of node names, of keys and of announcements. */
function isInstance(key: string): boolean {
  return key.startsWith('i-') || key.startsWith('lightsail/');
}

/**
 * Takes the instance, over its item as it was just read. The answer is the item as it is now: a former owner may have
 * written to it since, and cannot any more.
 * @throws ClaimedElsewhere when another execution was faster.
 */
export async function claim(
  seen: LedgerItem | undefined,
  next: Pick<LedgerItem, 'instance' | 'status' | 'execution' | 'claimedAt'> & Partial<LedgerItem>,
  signal: AbortSignal,
): Promise<LedgerItem> {
  const { instance, ...fields } = next;
  // A task that runs twice claims for the same execution: whichever run is heard, its generation holds.
  const generation = seen?.execution === next.execution ? seen.generation : (seen?.generation ?? 0) + 1;
  const condition = seen ? { equal: { generation: seen.generation, status: seen.status } } : { absent: ['instance'] };
  const ofLastTime = ['endedAt', 'lastError', 'errorName', 'metadataUnsupported', 'missingSince', 'expiresAt'];
  const ofLastEnrolment = next.status === 'enrolling' ? ['interruptedExecution'] : [];
  // The retirement took it out of its stack.
  const isDeregistered = seen?.status === 'retired' || (seen?.status === 're-imaging' && seen.endedAt !== undefined);
  const ofLastRegistration = isDeregistered ? ['opsworksInstanceId', 'registeringUntil', 'registeredBy'] : [];
  const over = [...ofLastTime, ...ofLastEnrolment, ...ofLastRegistration, ...outdated(seen, next)];
  const remove = [...new Set(over)];
  // Of another instance's, nothing is left; what is derived for an item of before depends on what this very claim changes.
  const isAnothers = remove.includes('associations');
  const derived = isAnothers ? {} : associationsOf(seen);
  const isRecorded = next.status === 'enrolling' || Object.keys(derived).length > 0;
  const associations = isRecorded ? { associations: derived } : {};
  const set = { ...fields, generation, ...(isAnothers && associations) };
  const setOnce = isAnothers ? {} : associations;
  return readItem(await updateAndRead(instance, { set, setOnce, remove, condition }, signal));
}

/**
 * What is true of one instance, and not of another that is given its name. A Lightsail name can be given again; an EC2
 * instance id cannot, though its launch time changes when it is started again.
 */
function outdated(seen: LedgerItem | undefined, { instance, launchTime, arn = null }: Partial<LedgerItem>): string[] {
  if (!instance?.startsWith('lightsail/') || !seen?.launchTime || !launchTime) return [];
  if (isSameInstance(seen, { platform: 'lightsail', launchTime, arn })) return [];
  const ofOneInstance = [
    'metadataBefore',
    'hardenedAt',
    'reverted',
    'opsworksInstanceId',
    'registeringUntil',
    'registeredBy',
    'goneSince',
  ];
  // The name's key is free only when the name is: before that, the server still knows the node by it.
  return seen.status === 'retired' ? [...ofOneInstance, 'publicKeyFingerprint', 'associations'] : ofOneInstance;
}

/** Writes what the owner has learnt. @throws ClaimedElsewhere when the claim is lost. */
export async function record(owner: Claim, fields: Partial<LedgerItem>, signal: AbortSignal): Promise<void> {
  const condition = { equal: { generation: owner.generation } };
  await update(owner.instance, { set: fields, remove: [], condition }, signal);
}

/** Whether the claim still holds: proved by a write, since a read may be overtaken. */
export function isOwner(owner: Claim, signal: AbortSignal): Promise<boolean> {
  return recordIfOwner(owner, { generation: owner.generation }, signal);
}

/** Writes what the owner has learnt. @returns false if the claim is lost */
export async function recordIfOwner(owner: Claim, fields: Partial<LedgerItem>, signal: AbortSignal): Promise<boolean> {
  try {
    await record(owner, fields, signal);
    return true;
  } catch (error) {
    if (error instanceof ClaimedElsewhere) return false;
    throw error;
  }
}

/**
 * Records that a sweep has missed the node, or (null) that it has seen it again. It claims nothing: an
 * execution that has taken the instance since knows better.
 * @throws ClaimedElsewhere when another execution has.
 */
export async function setMissingSince(
  { instance, generation }: Claim,
  missingSince: string | null,
  signal: AbortSignal,
): Promise<void> {
  const change = missingSince === null ? { set: {}, remove: ['missingSince'] } : { set: { missingSince }, remove: [] };
  await update(instance, { ...change, condition: { equal: { generation } } }, signal);
}

/**
 * Remembers, before they are changed, the metadata options from before our first change: a later one finds what we
 * ourselves have set. A later change of them takes back that they were put back.
 * @param hardenedAt null unless this closes IMDSv1 on an instance that has run with it
 */
export async function recordHardening(
  owner: Claim,
  { before, hardenedAt }: { before: MetadataOptions; hardenedAt: string | null },
  signal: AbortSignal,
): Promise<void> {
  const set = hardenedAt === null ? {} : { hardenedAt };
  const condition = { equal: { generation: owner.generation } };
  const change = { set, setOnce: { metadataBefore: before }, remove: ['reverted'], condition };
  await update(owner.instance, change, signal);
}

/**
 * Says that the instance is about to be registered, until an instant by which the attempt has ended for sure. The answer
 * is what the item said before of who has registered it.
 * @param attempt.isGone whether the registration that the item has is known to be gone
 * @throws RegistrationPending while another attempt may still be registering it; RegistrationMissing where the item has a
 *   registration that is not known to be gone; ClaimedElsewhere when the claim is lost.
 */
export async function beginRegistering(
  owner: Claim,
  { now, until, isGone }: { now: string; until: string; isGone: boolean },
  signal: AbortSignal,
): Promise<LedgerItem['registeredBy']> {
  const before = await recordUnless(
    owner,
    {
      set: { registeringUntil: until, registeredBy: 'muster' },
      absent: isGone ? [] : ['opsworksInstanceId'],
      absentOr: [['registeringUntil', '<=', now]],
      refusal: ({ registeringUntil, opsworksInstanceId }) => {
        if (!isGone && opsworksInstanceId !== undefined)
          return new RegistrationMissing(
            `The stack does not show ${owner.instance}, which it has as ${opsworksInstanceId}. A later look decides if that is gone.`,
          );
        if (registeringUntil === undefined || registeringUntil <= now) return undefined;
        return new RegistrationPending(
          `Another attempt may be registering ${owner.instance} until ${registeringUntil}.`,
        );
      },
    },
    signal,
  );
  return LedgerItem.pick({ registeredBy: true }).safeParse(before).data?.registeredBy;
}

/**
 * Writes as the owner, unless an attribute is in the way; the answer is what it overwrote. Nearly always nothing is, so the
 * item is not read before: only if the write is refused although the claim holds, `refusal` says from the item why.
 */
async function recordUnless(
  owner: Claim,
  {
    set,
    absent = [],
    absentOr,
    refusal,
  }: Pick<Change, 'set'> & {
    absent?: string[];
    absentOr: readonly Comparison[];
    refusal: (item: LedgerItem) => Error | undefined;
  },
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const condition = { equal: { generation: owner.generation }, absent, absentOr };
  try {
    return (await updateAndReadBefore(owner.instance, { set, remove: [], condition }, signal)) ?? {};
  } catch (error) {
    if (!(error instanceof ClaimedElsewhere)) throw error;
    const item = await findItem(owner.instance, signal);
    throw (item?.generation === owner.generation && refusal(item)) || error;
  }
}

/** A group's item: the instances that were abandoned, and when. */
const Abandons = z.object({
  abandons: z.array(z.object({ instance: z.string(), at: z.string() })),
  generation: z.int(),
});

/**
 * Counts an abandon of the group, unless `limit` others were counted within the hour: then it answers false and counts
 * nothing. The same instance counts once.
 * @param group its Region and its name
 * @throws ClaimedElsewhere when another abandon of the group was counted in the same moment: try again.
 */
export async function countAbandon(
  { group, instance, at, limit }: { group: string; instance: string; at: string; limit: number },
  signal: AbortSignal,
): Promise<boolean> {
  const key = `group/${group}`;
  const item = await get(key, signal);
  const seen = item && Abandons.parse(item);
  const hourAgo = new Date(Date.parse(at) - 3_600_000).toISOString();
  const recent = (seen?.abandons ?? []).filter((abandon) => abandon.at > hourAgo);
  if (recent.some((abandon) => abandon.instance === instance)) return true;
  if (recent.length >= limit) return false;
  const set = { abandons: [...recent, { instance, at }], generation: (seen?.generation ?? 0) + 1 };
  const condition = seen ? { equal: { generation: seen.generation } } : { absent: ['instance'] };
  await update(key, { set, remove: [], condition }, signal);
  return true;
}

/**
 * An abandon that was counted and did not happen counts no more.
 * @throws ClaimedElsewhere when another abandon of the group was counted in the same moment: try again.
 */
export async function takeBackAbandon(
  { group, instance }: { group: string; instance: string },
  signal: AbortSignal,
): Promise<void> {
  const key = `group/${group}`;
  const item = await get(key, signal);
  if (!item) return;
  const seen = Abandons.parse(item);
  const abandons = seen.abandons.filter((abandon) => abandon.instance !== instance);
  if (abandons.length === seen.abandons.length) return;
  const set = { abandons, generation: seen.generation + 1 };
  await update(key, { set, remove: [], condition: { equal: { generation: seen.generation } } }, signal);
}
