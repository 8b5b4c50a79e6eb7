import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod';
import { type Associations, serverId } from '../lib/associations.ts';
import { environment } from '../lib/config.ts';
import { AssociationFailed, ClaimedElsewhere, IdentityRejected } from '../lib/errors.ts';
import { LedgerAssociation } from '../lib/ledger-item.ts';
import type { Enrolment } from '../lib/state.ts';
import { calling, isNamed } from './aws.ts';
import { isNotTaken, type Node } from './config-servers/contract.ts';
import { type Claim, claimOf } from './ledger.ts';
import { documents } from './ledger-writes.ts';

/**
 * Records one association as the owner of the instance. The others stay as they are, so that two tasks of one execution
 * lose nothing of each other's. The answer is what was recorded of it before.
 * @param known all of the item's, for an item that has none recorded yet
 * @throws ClaimedElsewhere when the claim is lost. Source: DynamoDB UpdateItem.
 */
export async function recordAssociation(
  owner: Claim,
  id: string,
  association: LedgerAssociation,
  known: Associations,
  signal: AbortSignal,
): Promise<LedgerAssociation | undefined> {
  const one = { expression: 'SET #all.#id = :one', names: { '#id': id }, values: { ':one': association } };
  try {
    return await write(owner, id, one, signal);
  } catch (error) {
    // DynamoDB cannot set one entry of a map that is not there.
    if (!isNamed(error, 'ValidationException')) throw error;
    const all = { ...known, [id]: association };
    const whole = { expression: 'SET #all = if_not_exists(#all, :all)', names: {}, values: { ':all': all } };
    await write(owner, id, whole, signal);
    await write(owner, id, one, signal);
    return known[id];
  }
}

type Owner = Pick<Enrolment, 'ledgerKey' | 'generation'>;
type Presented = Pick<Node, 'nodeName' | 'identity'>;

/**
 * Presents the node to a server. That the server was asked is recorded before the call: an answer can get lost, and a
 * retirement must know where to look.
 * @throws ClaimedElsewhere when the claim is lost
 */
export async function recordingAsked<Answer>(
  owner: Owner,
  node: Presented,
  { server, at }: Pick<LedgerAssociation, 'server' | 'at'>,
  call: () => Promise<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  const claim = claimOf(owner);
  const id = serverId(server);
  const asked: LedgerAssociation = { ...presented(node), server, status: 'asked', at };
  const before = await recordAssociation(claim, id, asked, {}, signal);
  const isConfirmed = isConfirmedFor(before, asked);
  // The server has confirmed this very key: asking again proves nothing else.
  if (isConfirmed) await recordAssociation(claim, id, { ...asked, status: 'confirmed' }, {}, signal);
  try {
    return await call();
  } catch (error) {
    const status = statusAfter(error, before, asked);
    const recorded = isConfirmed ? 'confirmed' : 'asked';
    if (status !== recorded) await recordAssociation(claim, id, { ...asked, status }, {}, signal);
    throw error;
  }
}

function isConfirmedFor(
  before: LedgerAssociation | undefined,
  { publicKeyFingerprint }: Pick<LedgerAssociation, 'publicKeyFingerprint'>,
): boolean {
  return before?.status === 'confirmed' && before.publicKeyFingerprint === publicKeyFingerprint;
}

/**
 * If only this call was rejected, the earlier status stays: an earlier call may have succeeded. A refusal of a node that the
 * server has confirmed does not make the node another machine's, unless the server shows another key.
 */
function statusAfter(
  error: unknown,
  before: LedgerAssociation | undefined,
  asked: LedgerAssociation,
): LedgerAssociation['status'] {
  if (error instanceof IdentityRejected) return 'refused';
  if (isConfirmedFor(before, asked)) return 'confirmed';
  if (error instanceof AssociationFailed) return 'refused';
  if (!isNotTaken(error)) return 'asked';
  return before?.publicKeyFingerprint === asked.publicKeyFingerprint && before.status === 'asked' ? 'asked' : 'refused';
}

/**
 * Asks the server whether it has taken the node, and records its answer.
 * @throws ClaimedElsewhere when the claim is lost
 */
export async function recordingConfirmed<Answer>(
  owner: Owner,
  node: Presented,
  { server, at }: Pick<LedgerAssociation, 'server' | 'at'>,
  call: () => Promise<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  const record = (status: LedgerAssociation['status']) =>
    recordAssociation(claimOf(owner), serverId(server), { ...presented(node), server, status, at }, {}, signal);
  let answer: Answer;
  try {
    answer = await call();
  } catch (error) {
    if (error instanceof AssociationFailed) {
      const before = await record('refused');
      if (isConfirmedFor(before, presented(node))) await record('confirmed');
    }
    throw error;
  }
  await record('confirmed');
  return answer;
}

function presented({ nodeName, identity }: Presented) {
  return { nodeName, publicKeyFingerprint: identity?.publicKeyFingerprint ?? null };
}

interface Write {
  readonly expression: string;
  readonly names: Record<string, string>;
  readonly values: Record<string, unknown>;
}

/** Associations as far as a write answers with them. */
const Written = z.object({ associations: z.record(z.string(), LedgerAssociation) }).optional();

async function write(
  { instance, generation }: Claim,
  id: string,
  { expression, names, values }: Write,
  signal: AbortSignal,
): Promise<LedgerAssociation | undefined> {
  const command = new UpdateCommand({
    TableName: environment('LEDGER_TABLE'),
    Key: { instance },
    UpdateExpression: expression,
    ConditionExpression: '#generation = :generation',
    ExpressionAttributeNames: { '#all': 'associations', '#generation': 'generation', ...names },
    ExpressionAttributeValues: { ':generation': generation, ...values },
    ReturnValues: 'UPDATED_OLD',
  });
  try {
    const { Attributes } = await calling(`write the associations of ${instance} to the ledger`, () =>
      documents.send(command, { abortSignal: signal }),
    );
    return Written.safeParse(Attributes).data?.associations[id];
  } catch (cause) {
    if (!isNamed(cause, 'ConditionalCheckFailedException')) throw cause;
    throw new ClaimedElsewhere(`Another execution has taken ${instance} in the meantime.`, { cause });
  }
}
