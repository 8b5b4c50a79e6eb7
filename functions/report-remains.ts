import * as z from 'zod';
import { aboutRetirement, NOTHING_KNOWN } from '../events/outcomes.ts';
import { labelOf, namedIn, RetirementRequest } from '../events/request.ts';
import { associationsOf, toBeLeft, toBeUndone } from '../lib/associations.ts';
import { traitsOf } from '../lib/engines.ts';
import { ClaimedElsewhere } from '../lib/errors.ts';
import { Failure, Retirement, sentenceOf } from '../lib/state.ts';
import { type Invocation, task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { claimOf, findItem, record } from '../services/ledger.ts';
import { notify } from '../services/notifications.ts';

/** Whatever the retirement had come to when it failed. */
const SoFar = z.object({
  retirement: Retirement.nullish(),
  deregistration: z.unknown().optional(),
  /** The last one. */
  failure: Failure,
});
type SoFar = z.infer<typeof SoFar>;

/** Says why a retirement failed, and what is left of the node. */
export const handler = task({ request: z.unknown(), soFar: SoFar }, async ({ request, soFar, task }, call) => {
  const { retirement } = soFar;
  const failures = failuresOf(soFar);
  const { data } = RetirementRequest.safeParse(request);
  const instance = data?.instanceId ?? data?.lightsailInstanceName ?? null;
  const [{ Error: error }] = failures;
  const what = retirement?.status === 'leaving' ? 'was not taken off its former servers' : 'was not retired';
  const sentences = failures.map(sentenceOf).join(' ');
  const cause = `${data ? labelOf(namedIn(data)) : 'The instance'} ${what}: ${sentences}${await whatIsLeft(soFar, call)}`;
  await remember(retirement, cause, call);
  const known = retirement
    ? aboutRetirement(retirement, task.execution)
    : { ...NOTHING_KNOWN, execution: task.execution };
  await notify({ detailType: 'Instance Retirement Failed', detail: { ...known, instance, error, cause } }, call.signal);
  emit('RetirementsFailed');
  return { error, cause };
});

/** Those of the servers that the execution has gone past, and the one that ended it; the first one first. */
function failuresOf({ retirement, failure }: SoFar): [Failure, ...Failure[]] {
  const all: Failure[] = [];
  for (let passed = retirement?.undoing.failures ?? null; passed; passed = passed.before) all.unshift(passed.last);
  const [first = failure, ...others] = all.some((one) => isSame(one, failure)) ? all : [...all, failure];
  return [first, ...others];
}

function isSame(one: Failure, other: Failure): boolean {
  return one.Error === other.Error && one.Cause === other.Cause;
}

/** The ledger knows which servers have forgotten the node meanwhile. */
async function whatIsLeft({ retirement, deregistration }: SoFar, { signal }: Invocation): Promise<string> {
  if (!retirement) return '';
  const item = await findItem(retirement.ledgerKey, signal);
  const associations = item
    ? retirement.status === 'leaving'
      ? toBeLeft(item)
      : toBeUndone(associationsOf(item))
    : [];
  const left = associations.map(
    ([, { server, nodeName }]) => `the node ${nodeName} on the server ${traitsOf(server).displayName}`,
  );
  if (retirement.register && !deregistration) left.push(`the instance in the stack ${retirement.register.stackId}`);
  if (left.length === 0) return '';
  return ` Still there: ${left.join(', and ')}. Fix the cause, then start retire-node again.`;
}

/** An execution that has lost its claim has nothing to record. */
async function remember(retirement: Retirement | null | undefined, lastError: string, call: Invocation): Promise<void> {
  if (retirement?.status !== 'retiring') return;
  try {
    await record(claimOf(retirement), { lastError }, call.signal);
  } catch (error) {
    if (!(error instanceof ClaimedElsewhere)) throw error;
    call.log('The failure is not recorded: another execution has taken the instance');
  }
}
