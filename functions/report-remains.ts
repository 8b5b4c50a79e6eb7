import * as z from 'zod';
import { aboutRetirement, NOTHING_KNOWN } from '../events/outcomes.ts';
import { labelOf, namedIn, RetirementRequest } from '../events/request.ts';
import { traitsOf } from '../lib/engines.ts';
import { ClaimedElsewhere } from '../lib/errors.ts';
import { Disassociation, Failure, Retirement, sentenceOf } from '../lib/state.ts';
import { type Call, task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { claimOf, record } from '../services/ledger.ts';
import { notify } from '../services/notifications.ts';

/** Whatever the retirement had come to when it failed. */
const SoFar = z.object({
  retirement: Retirement.nullish(),
  disassociation: Disassociation.optional(),
  disassociated: z.unknown().optional(),
  deregistration: z.unknown().optional(),
  failure: Failure,
});
type SoFar = z.infer<typeof SoFar>;

/** Says why a retirement failed, and what is left of the node. */
export const handler = task({ request: z.unknown(), soFar: SoFar }, async ({ request, soFar, task }, call) => {
  const { retirement, failure } = soFar;
  const { data } = RetirementRequest.safeParse(request);
  const instance = data?.instanceId ?? data?.lightsailInstanceName ?? null;
  const error = failure.Error;
  const cause = `${data ? labelOf(namedIn(data)) : 'The instance'} was not retired: ${sentenceOf(failure)}${whatIsLeft(soFar)}`;
  await remember(retirement, cause, call);
  const known = retirement
    ? aboutRetirement(retirement, task.execution)
    : { ...NOTHING_KNOWN, execution: task.execution };
  await notify({ detailType: 'Instance Retirement Failed', detail: { ...known, instance, error, cause } }, call.signal);
  emit('RetirementsFailed');
  return { error, cause };
});

function whatIsLeft({ retirement, disassociated, deregistration }: SoFar): string {
  const { associate, register, nodeName } = retirement ?? {};
  const left = [
    associate && !disassociated && `the node ${nodeName} on the server ${traitsOf(associate).displayName}`,
    register && !deregistration && `the instance in the stack ${register.stackId}`,
  ].filter(Boolean);
  if (left.length === 0) return '';
  return ` Still there: ${left.join(', and ')}. Fix the cause, then start retire-node again.`;
}

/** An execution that has lost its claim has nothing to record. */
async function remember(retirement: Retirement | null | undefined, lastError: string, call: Call): Promise<void> {
  if (retirement?.status !== 'retiring') return;
  try {
    await record(claimOf(retirement), { lastError }, call.signal);
  } catch (error) {
    if (!(error instanceof ClaimedElsewhere)) throw error;
    call.log('The failure is not recorded: another execution has taken the instance');
  }
}
