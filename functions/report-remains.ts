import * as z from 'zod';
import { aboutRetirement, NOTHING_KNOWN } from '../events/outcomes.ts';
import { labelOf, namedIn, RetirementRequest } from '../events/request.ts';
import { Deregistration, Failure, Retirement } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { remainsOf } from '../profiles/remains.ts';
import { claimOf, findItem, recordIfOwner } from '../services/ledger.ts';
import { announceOutcome } from '../services/notifications.ts';

/** The state's data when the retirement failed, as far as it got. */
const Progress = z.object({
  retirement: Retirement.nullish(),
  deregistration: Deregistration.nullish(),
  /** The last one. */
  failure: Failure,
});

/** Says why a retirement failed, and what is left of the node. */
export const handler = task(
  { request: z.unknown(), soFar: Progress },
  async ({ request, soFar: { retirement, deregistration, failure }, task: { execution } }, { signal, log }) => {
    const named = RetirementRequest.transform(namedIn).safeParse(request).data;
    const { error, cause } = remainsOf({
      name: named ? labelOf(named) : 'The instance',
      retirement,
      failure,
      // A stack that has missed it once may still have it.
      isDeregistered: deregistration?.absentSince === null,
      item: retirement ? await findItem(retirement.ledgerKey, signal) : undefined,
    });
    const isClaimed = retirement?.status === 'retiring' || retirement?.status === 're-imaging';
    if (isClaimed && !(await recordIfOwner(claimOf(retirement), { lastError: cause }, signal)))
      log('The failure is not recorded: another execution has taken the instance');
    const known = retirement ? aboutRetirement(retirement, execution) : { ...NOTHING_KNOWN, execution };
    const detail = { ...known, instance: named?.instanceId ?? null, error, cause };
    await announceOutcome({ detailType: 'Instance Retirement Failed', detail }, { signal, log });
    emit('RetirementsFailed');
    return { error, cause };
  },
);
