import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, GetCommand, ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod';
import { environment } from '../lib/config.ts';
import { ClaimedElsewhere, IdentityRejected, InvalidRequest, RegistrationPending } from '../lib/errors.ts';
import { Associate, EXEMPTIBLE, Register } from '../lib/profiles.ts';
import { faultsOf, MetadataOptions } from '../lib/state.ts';
import { calling, clientOptions, isNamed } from './aws.ts';

/**
 * The ledger: one item an instance. It holds who owns the instance and what is known of it.
 *
 *   enrolling ──► enrolled ──► retiring ──► retired (expires)
 *       └──────►  failed  ───────┘
 *
 * An execution that takes an instance makes its generation one more, and every write of an owner names the generation
 * that it owns: a late writer, whose instance somebody else has taken meanwhile, is refused (ClaimedElsewhere).
 */
const Item = z.object({
  /** `i-…` or `lightsail/REGION/NAME`. */
  instance: z.string(),
  status: z.enum(['enrolling', 'enrolled', 'failed', 'retiring', 'retired']),
  /** ARN of the execution that owns, or last owned, the instance. */
  execution: z.string(),
  generation: z.int(),
  /** When the owner took it, and when it had finished. */
  claimedAt: z.string(),
  endedAt: z.string().optional(),
  /** When the end of the instance was announced, or asked for. */
  goneSince: z.string().optional(),
  /** When IMDSv1 was closed on an instance that had run with it: not at its launch. */
  hardenedAt: z.string().optional(),
  /** When the metadata options were put back on request, and for which version of the profile they are left so. */
  reverted: z.object({ at: z.string(), profileVersion: z.string() }).nullish(),
  /** The enrolment that a retirement found running, and stops. */
  interruptedExecution: z.string().optional(),
  profile: z.string().optional(),
  profileVersion: z.string().optional(),
  nodeName: z.string().optional(),
  region: z.string().optional(),
  launchTime: z.string().nullish(),
  autoScalingGroupName: z.string().nullish(),
  /** Where the profile has it: what a retirement undoes, whatever the profile has become since. */
  register: Register.nullish(),
  associate: Associate.nullish(),
  /** What its profile asks for and it was exempt from. When an exemption is over, an enrolment is due. */
  exempt: z.array(z.enum(EXEMPTIBLE)).optional(),
  opsworksInstanceId: z.string().optional(),
  /** Until when an attempt may still be registering the instance. */
  registeringUntil: z.string().optional(),
  /** SHA-256 of the key's SPKI. The first key wins. */
  publicKeyFingerprint: z.string().optional(),
  /** The instance's metadata options as they were before we first changed them. */
  metadataBefore: MetadataOptions.optional(),
  /** The metadata options were refused for good, and the profile goes on without: why. */
  metadataUnsupported: z.string().optional(),
  lastError: z.string().optional(),
  /** The failure's name, as in lib/errors.ts: it says whether trying again can help. */
  errorName: z.string().optional(),
  /** The first sweep that did not see the instance any more; a later one confirms it, or takes this back. */
  missingSince: z.string().optional(),
  /** Seconds since the epoch: DynamoDB's TTL for retired items. */
  expiresAt: z.int().optional(),
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

/** As what the owner writes: every write of it names its generation. */
export function claimOf({ ledgerKey, generation }: { ledgerKey: string; generation: number }): Claim {
  return { instance: ledgerKey, generation };
}

/** @throws InvalidRequest for an item that Muster has not written, or not so. */
function readItem(item: Record<string, unknown> = {}): LedgerItem {
  const { data, error } = Item.safeParse(item);
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

/** Every instance's item, page by page. The groups' items are none of these. @throws InvalidRequest. Source: DynamoDB Scan. */
export async function* listItems(signal: AbortSignal): AsyncGenerator<LedgerItem[]> {
  let ExclusiveStartKey: Record<string, unknown> | undefined;
  do {
    const what = { TableName: environment().LEDGER_TABLE, ConsistentRead: true, ExclusiveStartKey };
    const page = await calling('read the ledger', () => documents.send(new ScanCommand(what), { abortSignal: signal }));
    yield (page.Items ?? [])
      .filter(({ instance }) => !String(instance).startsWith('group/'))
      .map((item) => readItem(item));
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey);
}

/**
 * Takes the instance, over its item as it was just read. The answer is the item as it is now: a former owner may have
 * written to it since, and cannot any more.
 * @throws ClaimedElsewhere when somebody else was faster.
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
  const remove = [...ofLastTime, ...ofLastEnrolment, ...outdated(seen, next)];
  return readItem(await update(instance, { set: { ...fields, generation }, remove, condition }, signal));
}

/**
 * What is true of one instance, and not of another that is given its name. A Lightsail name can be given again; an EC2
 * instance id cannot, though its launch time changes when it is started again.
 */
function outdated(seen: LedgerItem | undefined, { instance, launchTime }: Partial<LedgerItem>): string[] {
  if (!instance?.startsWith('lightsail/') || !seen?.launchTime || !launchTime) return [];
  if (seen.launchTime === launchTime) return [];
  const ofOneInstance = [
    'metadataBefore',
    'hardenedAt',
    'reverted',
    'opsworksInstanceId',
    'registeringUntil',
    'goneSince',
  ];
  // The name's key is free only when the name is: before that, the server still knows the node by it.
  return seen.status === 'retired' ? [...ofOneInstance, 'publicKeyFingerprint'] : ofOneInstance;
}

/**
 * Binds the node's key to the instance, once and for ever: of two attempts in one moment, one wins.
 * @throws IdentityRejected when another key is bound already; ClaimedElsewhere when the claim is lost.
 */
export async function bindKey(owner: Claim, publicKeyFingerprint: string, signal: AbortSignal): Promise<void> {
  await recordUnless(
    owner,
    {
      // Written again where it is the same: that also holds the claim.
      set: { publicKeyFingerprint },
      absentOr: ['publicKeyFingerprint', '=', publicKeyFingerprint],
      refusal: ({ publicKeyFingerprint: bound }) => {
        if (bound === undefined || bound === publicKeyFingerprint) return undefined;
        return new IdentityRejected(
          `${owner.instance} shows another key than the one it was first enrolled with. If the node was given a new key on ` +
            'purpose, remove publicKeyFingerprint from its item in the ledger and start the enrolment again.',
          { rule: 'another-key' },
        );
      },
    },
    signal,
  );
}

/** Writes what the owner has learnt. @throws ClaimedElsewhere when the claim is lost. */
export async function record(owner: Claim, fields: Partial<LedgerItem>, signal: AbortSignal): Promise<void> {
  const condition = { equal: { generation: owner.generation } };
  await update(owner.instance, { set: fields, remove: [], condition }, signal);
}

/**
 * Records that a sweep has missed the node, or (null) that it has seen it again. It claims nothing: whoever has taken the
 * instance since knows better.
 * @throws ClaimedElsewhere when somebody has.
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
 * ourselves have set. Whoever changes them again takes back that they were put back.
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
 * Says that the instance is about to be registered, until an instant by which the attempt has ended for sure.
 * @throws RegistrationPending while another attempt may still be registering it; ClaimedElsewhere when the claim is lost.
 */
export async function beginRegistering(
  owner: Claim,
  { now, until }: { now: string; until: string },
  signal: AbortSignal,
): Promise<void> {
  await recordUnless(
    owner,
    {
      set: { registeringUntil: until },
      absentOr: ['registeringUntil', '<=', now],
      refusal: ({ registeringUntil }) => {
        if (registeringUntil === undefined || registeringUntil <= now) return undefined;
        return new RegistrationPending(
          `Another attempt may be registering ${owner.instance} until ${registeringUntil}.`,
        );
      },
    },
    signal,
  );
}

/**
 * Writes as the owner, unless an attribute is in the way. Nearly always nothing is, so the item is not read before: only
 * where the write is refused although the claim holds, `refusal` says from the item why.
 */
async function recordUnless(
  owner: Claim,
  {
    set,
    absentOr,
    refusal,
  }: Pick<Change, 'set'> & { absentOr: Comparison; refusal: (item: LedgerItem) => Error | undefined },
  signal: AbortSignal,
): Promise<void> {
  const condition = { equal: { generation: owner.generation }, absentOr };
  try {
    await update(owner.instance, { set, remove: [], condition }, signal);
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

async function get(instance: string, signal: AbortSignal) {
  const { Item: item } = await calling(`read the ledger's item of ${instance}`, () =>
    documents.send(new GetCommand({ TableName: environment().LEDGER_TABLE, Key: { instance }, ConsistentRead: true }), {
      abortSignal: signal,
    }),
  );
  return item;
}

/** What an attribute must be, against a value. */
type Comparison = readonly [name: string, comparator: '=' | '<=', value: string];

interface Change {
  set: Record<string, unknown>;
  /** Only what the item does not have yet. */
  setOnce?: Record<string, unknown>;
  remove: string[];
  condition: { equal?: Record<string, number | string>; absent?: string[]; absentOr?: Comparison };
}

/** Changes an item, and answers with it as it is then. */
async function update(instance: string, change: Change, signal: AbortSignal) {
  const what = { TableName: environment().LEDGER_TABLE, Key: { instance }, ...expressions(change) };
  try {
    const { Attributes } = await calling(`write the ledger's item of ${instance}`, () =>
      documents.send(new UpdateCommand({ ...what, ReturnValues: 'ALL_NEW' }), { abortSignal: signal }),
    );
    return Attributes;
  } catch (cause) {
    if (!isNamed(cause, 'ConditionalCheckFailedException')) throw cause;
    throw new ClaimedElsewhere(`Another execution has taken ${instance} in the meantime.`, { cause });
  }
}

/** DynamoDB's expressions, with a placeholder for every name: `status` alone is a reserved word. */
function expressions({ set, setOnce = {}, remove, condition: { equal = {}, absent = [], absentOr } }: Change) {
  const values = Object.entries({ ...set, ...setOnce }).filter(([, value]) => value !== undefined);
  const sets = values.map(([name]) =>
    name in setOnce ? `#${name} = if_not_exists(#${name}, :${name})` : `#${name} = :${name}`,
  );
  const removes = remove.filter((name) => set[name] === undefined).map((name) => `#${name}`);
  const comparisons = absentOr ? [absentOr] : [];
  const names = [
    ...values.map(([name]) => name),
    ...Object.keys(equal),
    ...absent,
    ...comparisons.map(([name]) => name),
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
      ...comparisons.map(
        ([name, comparator]) => `(attribute_not_exists(#${name}) OR #${name} ${comparator} :was_${name})`,
      ),
    ].join(' AND '),
    ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
    ExpressionAttributeValues: {
      ...Object.fromEntries(values.map(([name, value]) => [`:${name}`, value])),
      ...Object.fromEntries(Object.entries(equal).map(([name, value]) => [`:was_${name}`, value])),
      ...Object.fromEntries(comparisons.map(([name, , value]) => [`:was_${name}`, value])),
    },
  };
}
