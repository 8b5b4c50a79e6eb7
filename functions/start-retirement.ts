import { namedIn, type TriggeredRetirement } from '../events/request.ts';
import { startForRequest } from '../events/start.ts';
import { requestsOf } from '../events/table.ts';
import { profilesIn } from '../lib/compiled.ts';
import { accountId } from '../lib/config.ts';
import { ledgerKey } from '../lib/instance.ts';
import { answer } from '../lib/task.ts';
import { mayMatch, whyNotOurs, whyNotYet } from '../profiles/announced-end.ts';
import { startRetirement } from '../services/announced-start.ts';
import { findItem } from '../services/ledger.ts';
import { startRequests } from '../services/start-requests.ts';

/** Starts `retire-node` for each instance that an event says is terminating, once per event. */
export const handler = answer((event, invocation) =>
  startRequests(
    requestsOf('retirement', event, accountId()),
    {
      kind: 'Retirement',
      whyIgnored: (request) => whyIgnored(request, invocation.signal),
      startOf: startForRequest,
      start: startRetirement,
    },
    invocation,
  ),
);

async function whyIgnored(request: TriggeredRetirement, signal: AbortSignal): Promise<string | undefined> {
  const instance = namedIn(request);
  const profiles = profilesIn(instance.region);
  const { lifecycleAction } = request;
  const notYet = whyNotYet(profiles, instance, lifecycleAction?.lifecycleHookName);
  if (notYet !== undefined) return notYet;
  const group = lifecycleAction?.autoScalingGroupName ?? request.autoScalingGroupName ?? null;
  // Only what no profile matches has to be looked up: an earlier profile may have enrolled it.
  if (mayMatch(profiles, instance, group)) return undefined;
  return whyNotOurs(instance, group, await findItem(ledgerKey(instance), signal));
}
